import { Problem } from '../../lib/problem.js';
import { apiUrl } from '../../lib/request.js';

const PARALLEL = 3;
const SMOOTHING = 0.3;

/** A file on its way to the hub. */
export interface Upload {
  readonly id: number;
  readonly path: string;
  readonly size: number;
  readonly sent: number;
  /** Bytes a second, smoothed. */
  readonly speed: number;
  /** `taken`: there is such a file already, and nobody has said yet whether it may be replaced. */
  readonly state: 'waiting' | 'sending' | 'done' | 'failed' | 'cancelled' | 'taken';
  readonly problem?: Problem;
}

interface Job {
  upload: Upload;
  readonly file: File;
  mayReplace: boolean;
  xhr?: XMLHttpRequest;
  last?: { readonly sent: number; readonly at: number };
}

/** Sends files, a few at a time, and tells how far each is. One a page; it goes on while the reader looks elsewhere. */
export class UploadQueue {
  readonly #jobs: Job[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #finished = new Set<(path: string) => void>();
  #snapshot: readonly Upload[] = [];
  #next = 1;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly list = (): readonly Upload[] => this.#snapshot;

  /** Calls `listener` with each path that has arrived. */
  onFinished(listener: (path: string) => void): () => void {
    this.#finished.add(listener);
    return () => this.#finished.delete(listener);
  }

  add(path: string, file: File): void {
    this.#jobs.push({ upload: { id: this.#next++, path, size: file.size, sent: 0, speed: 0, state: 'waiting' }, file, mayReplace: false });
    this.#advance();
  }

  cancel(id: number): void {
    const job = this.#jobs.find(one => one.upload.id === id);
    if (!job) return;
    this.#set(job, { state: 'cancelled', speed: 0 });
    job.xhr?.abort();
    this.#advance();
  }

  retry(id: number): void {
    const job = this.#jobs.find(one => one.upload.id === id);
    if (!job) return;
    this.#set(job, { state: 'waiting', sent: 0, speed: 0 });
    this.#advance();
  }

  /** Says of all files that are there already whether they are replaced; if not, the uploads are given up. */
  settle(replace: boolean): void {
    for (const job of this.#jobs.filter(({ upload }) => upload.state === 'taken')) {
      job.mayReplace = replace;
      this.#set(job, { state: replace ? 'waiting' : 'cancelled' });
    }
    this.#advance();
  }

  /** Takes what has ended off the list. */
  clear(): void {
    const open = this.#jobs.filter(({ upload }) => ['waiting', 'sending', 'taken'].includes(upload.state));
    this.#jobs.splice(0, this.#jobs.length, ...open);
    this.#publish();
  }

  #advance(): void {
    const sending = this.#jobs.filter(({ upload }) => upload.state === 'sending').length;
    for (const job of this.#jobs.filter(({ upload }) => upload.state === 'waiting').slice(0, PARALLEL - sending)) this.#send(job);
    this.#publish();
  }

  #send(job: Job): void {
    const xhr = new XMLHttpRequest();
    job.xhr = xhr;
    job.last = { sent: 0, at: performance.now() };
    this.#set(job, { state: 'sending' });
    xhr.upload.onprogress = ({ loaded }) => this.#progressed(job, loaded);
    xhr.onerror = () => this.#ended(job, new Problem(0, 'unreachable', 'The hub does not answer'));
    xhr.onload = () => this.#ended(job, xhr.status < 300 ? undefined : problemIn(xhr));
    xhr.open('PUT', apiUrl('/files/content', { path: job.upload.path, overwrite: String(job.mayReplace) }));
    xhr.setRequestHeader('content-type', 'application/octet-stream');
    xhr.send(job.file);
  }

  #progressed(job: Job, sent: number): void {
    const now = performance.now();
    const last = job.last ?? { sent: 0, at: now };
    if (now - last.at < 250) return;
    const current = ((sent - last.sent) / (now - last.at)) * 1000;
    job.last = { sent, at: now };
    const { speed } = job.upload;
    this.#set(job, { sent, speed: speed === 0 ? current : SMOOTHING * current + (1 - SMOOTHING) * speed });
    this.#publish();
  }

  #ended(job: Job, problem: Problem | undefined): void {
    if (job.upload.state === 'cancelled') return;
    if (problem?.code === 'already-exists') this.#set(job, { state: 'taken', sent: 0, speed: 0 });
    else if (problem) this.#set(job, { state: 'failed', speed: 0, problem });
    else {
      this.#set(job, { state: 'done', sent: job.upload.size, speed: 0 });
      for (const listener of this.#finished) listener(job.upload.path);
    }
    this.#advance();
  }

  #set(job: Job, changes: Partial<Upload>): void {
    job.upload = { ...job.upload, ...changes };
  }

  #publish(): void {
    this.#snapshot = this.#jobs.map(({ upload }) => upload);
    for (const listener of this.#listeners) listener();
  }
}

function problemIn(xhr: XMLHttpRequest): Problem {
  try {
    const { code, detail } = JSON.parse(xhr.responseText) as { code: string; detail: string };
    return new Problem(xhr.status, code, detail);
  } catch {
    return new Problem(xhr.status, `http-${xhr.status}`, xhr.statusText);
  }
}
