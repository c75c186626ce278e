import { HubError } from '../errors.js';
import type { Location } from './mounts.js';
import { isWithin } from './path.js';

type Place = Pick<Location, 'storage' | 'storagePath'>;

interface Watched {
  uploads: number;
  changes: number;
}

/** The place of an upload that is under way. */
export interface UploadPlace {
  /** How many changes were made there since the upload began, by whomever. */
  readonly changes: number;
  /** PlaceOrder.change() of this place. */
  change<T>(make: () => Promise<T>): Promise<T>;
  /** The upload has ended. May be repeated. */
  leave(): void;
}

/**
 * Lets the changes of one place of a storage happen one after the other, each with its event, so that the ids of events grow in the
 * order in which things happened there; and tells uploads of what happened since they began. Knows of this process only. Places at
 * which nothing is under way take no memory, and a change at one is never waited for by those at others.
 */
export class PlaceOrder {
  readonly #watched = new Map<string, Watched>();
  readonly #changing = new Map<string, Promise<void>>();
  /** Directories that are being moved. */
  readonly #moving = new Map<string, Promise<void>>();

  /** Begins an upload to `place` by `open`, and watches the place until it leaves, or `open` fails. Waits while a directory above is moved. Throws what it throws. */
  async begin<T>(place: Place, open: (place: UploadPlace) => Promise<T>): Promise<T> {
    const key = keyOf(place);
    for (let move = this.#moveAbove(key); move; move = this.#moveAbove(key)) await move;
    const watching = this.#watch(key);
    try {
      return await open(watching);
    } catch (error) {
      watching.leave();
      throw error;
    }
  }

  /** Runs `make`, which records an event and changes `places`, when no other change of them is under way: at once where none is. Throws what it throws. */
  change<T>(places: readonly Place[], make: () => Promise<T>): Promise<T> {
    return this.#change(places.map(keyOf), make);
  }

  /**
   * The same for a directory that `make` moves from one of `places` to the other, while nothing below changes. Throws 'conflict' when
   * something is being uploaded into it: the event of that would name a place where it is not.
   */
  move<T>(places: readonly Place[], make: () => Promise<T>): Promise<T> {
    const keys = places.map(keyOf);
    const moving = async () => {
      if ([...this.#watched.keys()].some(key => isBelow(key, keys)))
        throw new HubError('conflict', 'Something is being uploaded into this directory');
      return this.#during(this.#moving, keys, make);
    };
    return this.#change(keys, moving, true);
  }

  /** Notes a change of a place that could not wait for others. */
  note(place: Place): void {
    this.#note(keyOf(place));
  }

  /** How many places are known now. */
  get size(): number {
    return this.#watched.size + this.#changing.size;
  }

  #watch(key: string): UploadPlace {
    const watched = this.#watched.get(key) ?? { uploads: 0, changes: 0 };
    if (watched.uploads++ === 0) this.#watched.set(key, watched);
    const before = watched.changes;
    let left = false;
    return {
      get changes() {
        return watched.changes - before;
      },
      change: make => this.#change([key], make),
      leave: () => {
        if (left) return;
        left = true;
        if (--watched.uploads === 0) this.#watched.delete(key);
      },
    };
  }

  #change<T>(keys: readonly string[], make: () => Promise<T>, below = false): Promise<T> {
    const other = this.#underWay(keys, below);
    return other ? other.then(() => this.#change(keys, make, below)) : this.#during(this.#changing, keys, make);
  }

  #underWay(keys: readonly string[], below: boolean): Promise<void> | undefined {
    for (const key of keys) {
      const other = this.#changing.get(key) ?? this.#moveAbove(key);
      if (other) return other;
    }
    if (below) for (const [key, end] of this.#changing) if (isBelow(key, keys)) return end;
    return undefined;
  }

  #during<T>(underWay: Map<string, Promise<void>>, keys: readonly string[], make: () => Promise<T>): Promise<T> {
    const made = make();
    const end = (): void => {
      for (const key of keys) {
        underWay.delete(key);
        this.#note(key);
      }
    };
    const ended = made.then(end, end);
    for (const key of keys) underWay.set(key, ended);
    return made;
  }

  #moveAbove(key: string): Promise<void> | undefined {
    if (this.#moving.size === 0) return undefined;
    for (const [moved, end] of this.#moving) if (isWithin(key, moved)) return end;
    return undefined;
  }

  #note(key: string): void {
    const watched = this.#watched.get(key);
    if (watched) watched.changes++;
  }
}

function isBelow(key: string, directories: readonly string[]): boolean {
  return directories.some(directory => key !== directory && isWithin(key, directory));
}

/** No name of a storage holds a '/'. */
function keyOf({ storage, storagePath }: Place): string {
  return storage + storagePath;
}
