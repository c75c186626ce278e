/** Without a key or a pointer for so long, what the page asks for is asked by the page itself: live changes make it. */
const IDLE_MS = 60_000;

let lastInput = Date.now();
for (const type of ['pointerdown', 'keydown', 'wheel'])
  addEventListener(
    type,
    () => {
      lastInput = Date.now();
    },
    { capture: true, passive: true },
  );

/** Whether nobody has used this page for a minute. */
export function isIdle(): boolean {
  return Date.now() - lastInput > IDLE_MS;
}
