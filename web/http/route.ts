import type { Request, ResponseObject, ResponseToolkit } from '@hapi/hapi';
import { z } from '#core/api.js';
import type { Access, Caller } from '../auth/caller.js';
import type { WebServices } from '../services.js';
import type { Client } from './client.js';

export type Fields = z.ZodObject;
/** Nothing is given. */
const nothing = z.strictObject({});
type Nothing = typeof nothing;

/** A request whose parts are as the route's schemas leave them. */
export interface Call<P = unknown, Q = unknown, B = unknown> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly services: WebServices;
  readonly client: Client;
  readonly request: Request;
  readonly h: ResponseToolkit;
  /** Throws 'authentication-failed' on a public route without a login. */
  readonly caller: Caller;
  /** The version of If-Match; one that cannot be read matches none. */
  readonly ifMatch: number | undefined;
}

/** What is said beside the value of an answer. */
export interface AnswerHeaders {
  /** The version that an ETag names. */
  readonly version?: number;
  readonly location?: string;
}

/** A value with headers. */
export class Answer<T> {
  constructor(
    readonly value: T,
    readonly headers: AnswerHeaders,
  ) {}
}

/** Whether a handler gave an answer of hapi's own, in place of a value. */
export function isResponse(value: unknown): boolean {
  return typeof value === 'symbol' || (typeof value === 'object' && value !== null && 'variety' in value && 'headers' in value);
}

interface Declaration {
  /** As the operation that the command line does: 'users.list'. */
  readonly id: string;
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  /** Below /api/v1. */
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  readonly access: Access;
  /** Whether a key may be used for it; true unless told. What gives credentials needs a person. */
  readonly keys?: boolean;
  /** 200 unless told, 204 without a response. */
  readonly status?: number;
  /** What is not JSON: a body that the handler reads itself, or an answer that it writes. */
  readonly rawBody?: string;
  readonly rawResponse?: string;
  /** Of a stream: the data of its messages by their names, for the document and the client's types. */
  readonly messages?: z.ZodType;
  /** Whether If-Match is looked at. */
  readonly versioned?: boolean;
  /** Failures beyond those that every route has. */
  readonly failures?: readonly number[];
}

/** A route and its schemas, from which validation, OpenAPI and the client's types come. */
export interface RouteDefinition<P extends Fields, Q extends Fields, B extends z.ZodType, R extends z.ZodType> extends Declaration {
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly response?: R;
  handle(call: Call<z.output<P>, z.output<Q>, z.output<B>>): Promise<z.input<R> | Answer<z.input<R>> | ResponseObject | symbol>;
}

/** A route whose types are forgotten. */
export interface Route extends Declaration {
  readonly params: Fields;
  readonly query: Fields;
  readonly body: z.ZodType | undefined;
  readonly response: z.ZodType | undefined;
  handle(call: Call): Promise<unknown>;
}

/** Declares a route; everything about it comes from here. */
export function defineRoute<
  P extends Fields = Nothing,
  Q extends Fields = Nothing,
  B extends z.ZodType = z.ZodUndefined,
  R extends z.ZodType = z.ZodVoid,
>(definition: RouteDefinition<P, Q, B, R>): Route {
  const { params, query, body, response, handle } = definition;
  return {
    ...definition,
    params: params ?? nothing,
    query: query ?? nothing,
    body,
    response,
    // Its schemas have made the call what this handler takes.
    handle: call => handle.call(definition, call as Call<z.output<P>, z.output<Q>, z.output<B>>),
  };
}

/** A page of a list. */
export function pageOf<T extends z.ZodType>(item: T, id: string) {
  return z.object({ items: z.array(item), total: z.int(), limit: z.int(), offset: z.int() }).meta({ id });
}

/** The query of a list: `limit`, `offset`, `sort` ('-name' for the other way round) and `search`. */
export function listQuery<const O extends readonly [string, ...string[]]>(orders: O) {
  const sorts = [...orders, ...orders.map(order => `-${order}` as const)] as unknown as [O[number] | `-${O[number]}`];
  return {
    limit: z.coerce.number().int().min(1).max(1_000).default(50),
    offset: z.coerce.number().int().min(0).max(10_000_000).default(0),
    sort: z.enum(sorts).optional(),
    search: z.string().max(256).optional(),
  };
}

/** Order and direction of `sort`. */
export function orderOf<T extends string>(
  sort: T | `-${T}` | undefined,
  byDefault: T,
): { readonly order: T; readonly descending: boolean } {
  if (sort === undefined) return { order: byDefault, descending: false };
  const descending = sort.startsWith('-');
  return { order: (descending ? sort.slice(1) : sort) as T, descending };
}
