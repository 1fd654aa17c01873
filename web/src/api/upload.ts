// Sends a file, and tells how much of it has gone: what `fetch` cannot.
import { mayChange } from './door'
import { Failure, failureOf } from './failure'

/** `told` gets 0 to 1. */
export async function upload(path: string, field: string, file: File, told: (share: number) => void, signal: AbortSignal): Promise<void> {
  await mayChange()
  const form = new FormData()
  form.append(field, file)
  await new Promise<void>((done, fail) => {
    const request = new XMLHttpRequest()
    request.open('POST', path)
    request.setRequestHeader('x-requested-with', 'dashboard')
    request.upload.onprogress = (event) => told(event.total > 0 ? event.loaded / event.total : 0)
    request.onload = () => {
      if (request.status < 400) done()
      else fail(failureOf(request.status, request.responseText, request.getResponseHeader('retry-after')))
    }
    request.onerror = () => fail(new Failure(0, 'UNREACHABLE', 'the file could not be sent'))
    request.onabort = () => fail(new Failure(0, 'CALLED_OFF', 'the file was not sent'))
    signal.addEventListener('abort', () => request.abort())
    request.send(form)
  })
}
