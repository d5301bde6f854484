// The JavaScript thread at work beside what is timed.

/** Keeps it from idling: `share` of every 5 ms it computes, until the function that comes back is called. */
export const keepBusy = (share) => {
  let running = true
  const turn = () => {
    const end = performance.now() + 5 * share
    while (performance.now() < end);
    if (running) setTimeout(turn, 5 * (1 - share))
  }
  if (share > 0) turn()
  return () => {
    running = false
  }
}
