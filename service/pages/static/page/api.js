/** Asking the service: with the key, again while it is down or busy, and no longer than needed. */

import { over, wait, wantKey, key } from "./trouble.js";

const PATIENCE = 10; // seconds until a question that hangs is asked again
const BUSY = new Set([429, 502, 503, 504]);
const CLOSED = new Set([401, 403]);

/** The service's own sentence about a request that cannot be answered as it is. */
export class Refused extends Error {
  /** @param {number} status @param {{detail?: string, errors?: Fault[]}} problem */
  constructor(status, problem) {
    super(problem.detail ?? `HTTP ${status}`);
    this.status = status;
    this.faults = problem.errors ?? [];
  }
}

/** @typedef {{field: string, expected: string, received: string}} Fault */

/**
 * Ask until there is an answer. Throws Refused when asking again would not help, and AbortError
 * when `signal` says that nobody wants to know any more.
 * @param {string} path relative to the page, so that it works behind a proxy's prefix
 * @param {RequestInit & {patience?: number}} request
 */
export async function ask(path, request = {}) {
  for (let tries = 0; ; tries += 1) {
    const response = await send(path, request);
    if (!response) {
      await wait("down", backoff(tries), request.signal);
    } else if (BUSY.has(response.status)) {
      await wait("busy", retryAfter(response) ?? backoff(tries), request.signal);
    } else if (CLOSED.has(response.status)) {
      await wantKey(request.signal);
    } else {
      over();
      if (response.ok) return response;
      throw new Refused(response.status, await response.json().catch(() => ({})));
    }
  }
}

/** The JSON at a path. @param {string} path @param {RequestInit} [request] */
export const get = async (path, request) => (await ask(path, request)).json();

/**
 * The JSON that answers a JSON body.
 * @param {string} path @param {unknown} body @param {AbortSignal} [signal]
 */
export function post(path, body, signal) {
  const headers = { "content-type": "application/json" };
  return get(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

/**
 * One try; nothing when the service cannot be reached.
 * @param {string} path @param {RequestInit & {patience?: number}} request
 */
async function send(path, { patience = PATIENCE, ...request }) {
  const late = AbortSignal.timeout(patience * 1000);
  const signal = request.signal ? AbortSignal.any([request.signal, late]) : late;
  const headers = { ...request.headers, ...(key ? { "x-api-key": key } : {}) };
  try {
    return await fetch(path, { ...request, headers, signal });
  } catch (error) {
    if (request.signal?.aborted) throw error;
    return undefined;
  }
}

/** Seconds: 1, 2, 4, 8, 8 ... @param {number} tries */
const backoff = (tries) => Math.min(2 ** tries, 8);

/** Seconds that the service wants to be left alone; a date or nonsense is no number. @param {Response} response */
function retryAfter(response) {
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return seconds >= 0 ? Math.min(Math.max(seconds, 0.5), 30) : undefined;
}
