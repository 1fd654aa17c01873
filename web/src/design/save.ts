// Rows as a file: CSV whose cells no spreadsheet takes for a formula, or JSON.
import type { Column } from './table'

export function csv<R>(rows: readonly R[], columns: readonly Column<R>[]): string {
  const lines = [columns.map((column) => cell(column.title)), ...rows.map((row) => columns.map((column) => cell(column.text(row))))]
  // With the mark that makes a spreadsheet read it as UTF-8.
  return `\ufeff${lines.map((line) => line.join(',')).join('\r\n')}\r\n`
}

function cell(text: string): string {
  const inert = /^[=+\-@\t\r\n]/.test(text) && !/^-?\d+(\.\d+)?$/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert
}

export function saveAs(name: string, content: BlobPart, type: string): void {
  const address = URL.createObjectURL(new Blob([content], { type }))
  const link = document.createElement('a')
  link.href = address
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(address), 10_000)
}
