// Placeholders in what is published: a number that counts, the time, something random.
export function filled(text: string, seq: number, now: number, random: () => number = Math.random): string {
  return text
    .replaceAll('${seq}', String(seq))
    .replaceAll('${timestamp}', String(now))
    .replace(/\$\{random\}/g, () => String(Math.floor(random() * 1_000_000)))
}
