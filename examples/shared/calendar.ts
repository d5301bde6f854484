// The calendar of the United States: what is known of a day beforehand.

/** Milliseconds. */
export const DAY = 86_400_000

/** What is known of a day beforehand: its weekday, the time of the year, and whether it is a holiday or next to one. */
export function calendar(date: Date): number[] {
  const weekday = Array.from({ length: 7 }, (_, i) => Number(date.getUTCDay() === i))
  const start = Date.UTC(date.getUTCFullYear(), 0, 1)
  const angle = (2 * Math.PI * (date.getTime() - start)) / (365.25 * DAY)
  const near = [-1, 0, 1].map((days) => Number(isHoliday(new Date(date.getTime() + days * DAY))))
  return [...weekday, Math.sin(angle), Math.cos(angle), ...near]
}

/** Days on which few births are scheduled. */
function isHoliday(date: Date): boolean {
  const [month, day, weekday] = [date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCDay()]
  const fixed = ['1/1', '7/4', '12/24', '12/25', '12/31'].includes(`${month}/${day}`)
  const memorialDay = month === 5 && weekday === 1 && day > 24
  const laborDay = month === 9 && weekday === 1 && day <= 7
  const thanksgiving = month === 11 && ((weekday === 4 && day > 21 && day <= 28) || (weekday === 5 && day > 22 && day <= 29))
  return fixed || memorialDay || laborDay || thanksgiving
}
