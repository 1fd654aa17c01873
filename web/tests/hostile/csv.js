// Rows of a CSV file as a spreadsheet reads them.
/** @param {string} text @returns {string[][]} */
export function cells(text) {
  /** @type {string[][]} */
  const rows = []
  /** @type {string[]} */
  let row = []
  let cell = ''
  let quoted = false
  const bare = text.replace(/^\ufeff/, '')
  for (let at = 0; at < bare.length; at += 1) {
    const one = bare[at] ?? ''
    if (quoted && one === '"' && bare[at + 1] === '"') {
      cell += '"'
      at += 1
    } else if (one === '"') quoted = !quoted
    else if (quoted) cell += one
    else if (one === ',') {
      row.push(cell)
      cell = ''
    } else if (one === '\n') {
      rows.push([...row, cell])
      row = []
      cell = ''
    } else if (one !== '\r') cell += one
  }
  return rows
}
