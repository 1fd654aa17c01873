// Backups: made, brought, fetched, given back.
import { api, body, type Answer } from '@/api'
import { upload } from '@/api/upload'
import type { Page } from '@/design/list'
import type { Column } from '@/design/table'
import { maybe, t } from '@/words'
import { count, moment, size } from '@/words/format'

export type Backup = Answer<'/api/v5/data/files'>['data'][number]

export interface Report {
  readonly imported: Readonly<Record<string, number>>
  readonly left_out: Readonly<Record<string, number>>
  readonly refused: number
}

export function listBackups(_search: null, page: number, limit: number, signal?: AbortSignal): Promise<Page<Backup>> {
  return body(api.GET('/api/v5/data/files', { params: { query: { page, limit } }, signal: signal ?? null }))
}

export async function makeBackup(secrets: boolean): Promise<void> {
  await api.POST('/api/v5/data/export', { body: { secrets } })
}

export function bringBackup(file: File, told: (share: number) => void, signal: AbortSignal): Promise<void> {
  return upload('/api/v5/data/files', 'filename', file, told, signal)
}

export async function deleteBackup(filename: string): Promise<void> {
  await api.DELETE('/api/v5/data/files/{filename}', { params: { path: { filename } } })
}

export function restore(filename: string): Promise<Report> {
  return body(api.POST('/api/v5/data/import', { body: { filename, report: true } }))
}

/** Where the browser fetches it from, past this page's memory: a backup may be large. */
export function addressOf(backup: Pick<Backup, 'filename'>): string {
  return `/api/v5/data/files/${encodeURIComponent(backup.filename)}`
}

/** Why a file cannot be one of our backups. */
export function fileFault(name: string): 'wrongFile' | null {
  return name.endsWith('.export') ? null : 'wrongFile'
}

export interface Line {
  readonly kind: string
  readonly count: string
}

/** What was taken or left, the most first, in words where there are any. */
export function linesOf(counts: Readonly<Record<string, number>>): Line[] {
  return Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([kind, n]) => ({ kind: maybe(`backups.kind.${kind}`) ?? kind, count: count(n) }))
}

export function columns(): Column<Backup>[] {
  return [
    { key: 'name', title: t('backups.file'), by: (b) => b.filename, text: (b) => b.filename },
    { key: 'at', title: t('backups.at'), by: (b) => b.created_at_sec, text: (b) => moment(Date.parse(b.created_at)) },
    { key: 'size', title: t('backups.size'), numeric: true, by: (b) => b.size, text: (b) => size(b.size) },
  ]
}
