// Two machines that are none: network namespaces with a cable between them. A program runs on one of them,
// and is told how to start others on the other one. Only root can make them.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'

const run = promisify(execFile)
const SERVER = '10.77.0.1'
const CLIENT = '10.77.0.2'

/**
 * Runs a script of Node.js on the client's machine: behind its own arguments it is told the server's address
 * and what starts a program there.
 * @param {string} script @param {string[]} args
 */
export async function onTwoMachines(script, args) {
  if (process.getuid?.() !== 0) throw new Error('two machines are made of network namespaces, which only root may make: run this line as root')
  const [server, client] = [`ternmq-s${process.pid}`, `ternmq-c${process.pid}`]
  const steps = [
    ['netns', 'add', server],
    ['netns', 'add', client],
    ['-n', server, 'link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable', 'netns', client],
    ['-n', server, 'addr', 'add', `${SERVER}/24`, 'dev', 'cable'],
    ['-n', client, 'addr', 'add', `${CLIENT}/24`, 'dev', 'cable'],
    ...[server, client].flatMap((name) => ['lo', 'cable'].map((device) => ['-n', name, 'link', 'set', device, 'up'])),
    // As on a real network, there is somebody beyond.
    ['-n', server, 'route', 'add', 'default', 'via', CLIENT],
    ['-n', client, 'route', 'add', 'default', 'via', SERVER],
  ]
  try {
    for (const step of steps) await run('ip', step)
    const on = (/** @type {string} */ name) => ['nsenter', `--net=/run/netns/${name}`]
    const [program = '', ...before] = [...on(client), process.execPath, script, ...args, SERVER, ...on(server)]
    const child = spawn(program, before, { stdio: 'inherit' })
    const [code] = await once(child, 'exit')
    if (code !== 0) throw new Error(`it ended with code ${code}`)
  } finally {
    for (const name of [server, client]) await remove(name)
  }
}

/** With whatever still runs there. @param {string} name */
async function remove(name) {
  const { stdout } = await run('ip', ['netns', 'pids', name]).catch(() => ({ stdout: '' }))
  for (const pid of stdout.split('\n').filter((line) => line !== '')) process.kill(Number(pid), 'SIGKILL')
  await run('ip', ['netns', 'del', name]).catch(() => undefined)
}
