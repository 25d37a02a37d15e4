// An alarm rings once, at a time on the wall clock and never before it. setTimeout alone does neither: it may fire a
// millisecond early, and it fires at once for delays of more than 2^31-1 ms.

const LONGEST_DELAY_MS = 2 ** 31 - 1;

// alarm calls ring at time (milliseconds since the epoch) and returns the function that cancels it.
export function alarm(time, ring) {
  let timer;
  const arm = () => {
    timer = setTimeout(check, Math.min(Math.max(time - Date.now(), 0), LONGEST_DELAY_MS));
  };
  const check = () => (Date.now() < time ? arm() : ring());
  arm();
  return () => clearTimeout(timer);
}
