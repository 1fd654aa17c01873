// What a chart is drawn from: points of time with a value for each line, where none was measured none.
export interface Line {
  readonly title: string
  /** A colour token, such as `--in`. */
  readonly colour: string
  readonly values: readonly (number | null)[]
}

export interface Curves {
  /** Seconds since 1970, growing. */
  readonly times: readonly number[]
  readonly lines: readonly Line[]
  /** When the broker began anew. */
  readonly restarts: readonly number[]
}

/** Between the figures of an axis, from the least one on: they are written with few digits. */
export function steps(least: number): number[] {
  return Array.from({ length: 30 }, (_, n) => least * ([1, 2, 5][n % 3] ?? 1) * 10 ** Math.floor(n / 3))
}

/** The times with one more behind each that is followed by nothing for longer than a step: a gap. */
export function withGaps(times: readonly number[], step: number): { times: number[]; from: (number | null)[] } {
  const all: number[] = []
  const from: (number | null)[] = []
  times.forEach((time, at) => {
    const before = times[at - 1]
    if (before !== undefined && time - before > 1.5 * step) {
      all.push(before + step)
      from.push(null)
    }
    all.push(time)
    from.push(at)
  })
  return { times: all, from }
}
