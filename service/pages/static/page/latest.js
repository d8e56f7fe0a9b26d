/** One question at a time, and of those that wait only the newest. */

const PATIENCE = 400; // ms that a question may still run when a newer one waits for it

/**
 * Wrap an asynchronous `task(signal, value)`. Calls while it runs are kept for later, each in
 * place of the one before, so answers come in the order of the questions and a dragged slider
 * never has two requests under way. A task that takes long is aborted for the newer one.
 * @template T
 * @param {(signal: AbortSignal, value: T) => Promise<void>} task
 * @param {(error: unknown) => void} failed
 * @returns {(value: T) => void}
 */
export function latest(task, failed) {
  /** @type {AbortController | undefined} */
  let running;
  /** @type {{value: T} | undefined} */
  let waiting;

  /** @param {T} value */
  async function run(value) {
    const mine = new AbortController();
    running = mine;
    try {
      await task(mine.signal, value);
    } catch (error) {
      if (!mine.signal.aborted) failed(error);
    } finally {
      running = undefined;
      const next = waiting;
      waiting = undefined;
      if (next) run(next.value);
    }
  }

  return (value) => {
    if (!running) {
      run(value);
      return;
    }
    const slow = running;
    if (!waiting) setTimeout(() => slow.abort(), PATIENCE);
    waiting = { value };
  };
}
