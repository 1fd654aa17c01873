// Why a call did not do what was asked, in the words of whoever sits before the page.
import { maybe, t } from '@/words'

export class Failure extends Error {
  constructor(
    /** HTTP's status; 0 if no answer came. */
    readonly status: number,
    /** Stable, upper case; the API's, or one of ours where there was no answer. */
    readonly code: string,
    /** The API's own sentence, in English. */
    message: string,
    /** Until the next try makes sense. */
    readonly waitSecs = 0,
  ) {
    super(message)
  }
}

/** What a refusal says. `wait` is its header `retry-after`. */
export function failureOf(status: number, text: string, wait: string | null): Failure {
  let code = `HTTP_${status}`
  let message = text
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null) {
      if ('code' in body && typeof body.code === 'string') code = body.code
      if ('message' in body && typeof body.message === 'string') message = body.message
    }
  } catch {
    // No JSON: a proxy's page, perhaps. Its text is all there is.
  }
  const secs = Number(wait ?? 0)
  return new Failure(status, code, message.slice(0, 500), Number.isFinite(secs) ? secs : 0)
}

export interface Told {
  readonly cause: string
  readonly remedy: string
  /** What the API said where that says more than our words. */
  readonly detail: string
}

/** Codes whose sentence from the API names what exactly was wrong. */
const DETAILED = new Set([
  'BAD_REQUEST',
  'INVALID_PARAMETER',
  'INVALID_PARAMS',
  'BAD_TOPIC',
  'NOT_ALLOWED',
  'CONFLICT',
  'EXCEED_LIMIT',
  'ALREADY_EXISTS',
  'DUPLICATE_CONDITION',
  'UPDATE_FAILED',
  'INTERNAL_ERROR',
  'SERVICE_UNAVAILABLE',
  'STILL_DENIED',
])

export function tell(error: unknown): Told {
  const failure = error instanceof Failure ? error : new Failure(0, 'PAGE_FAULT', String(error))
  const values = { wait: failure.waitSecs, status: failure.status, code: failure.code }
  const cause = maybe(`failure.${failure.code}.cause`, values)
  if (cause === undefined) {
    return { cause: t('failure.other.cause', values), remedy: t('failure.other.remedy'), detail: failure.message }
  }
  const remedy = maybe(`failure.${failure.code}.remedy`, values) ?? ''
  const detailed = DETAILED.has(failure.code) || failure.code === 'PAGE_FAULT'
  return { cause, remedy, detail: detailed ? failure.message : '' }
}

