// What somebody who got a name and a password writes into a shell or a program. Each runs as it stands: a
// browser test takes them from the page.
import { pythonText, shellWord } from '@/mqtt/code'

export interface Login {
  readonly user_id: string
  readonly password: string
}

export interface At {
  /** IPv6 in brackets. */
  readonly host: string
  readonly port: number
}

/** `byId`: the client's ID is what it is known by. */
export function asShell({ user_id, password }: Login, { host, port }: At, byId: boolean): string {
  const bare = host.replace(/^\[|\]$/g, '')
  const id = byId ? ['-i', shellWord(user_id)] : []
  return ['mosquitto_pub', '-h', shellWord(bare), '-p', String(port), ...id, '-u', shellWord(user_id), '-P', shellWord(password), '-t', 'test', '-m', 'hello'].join(' ')
}

/** For a client that is made already, and not connected. */
export function asPython({ user_id, password }: Login): string {
  return `client.username_pw_set(${pythonText(user_id)}, ${pythonText(password)})`
}
