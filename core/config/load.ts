import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { ZodType } from 'zod';
import { ConfigError, describeIssues, type IssueContext } from './config-error.js';
import { didYouMean, nearest } from './nearest.js';
import { optionsOf, type Shape, shapeOf, valueFromText, variableName } from './shape.js';

/** Sections whose members are named by protocols and extensions; the core's own schema does not know them. */
const FOREIGN_SECTIONS = ['protocols', 'extensions'] as const;

const PREFIX = 'ENTREPOT_';

/** Variables that are no options: for the command line, and those that a hook is given and may pass on to `entrepot`. */
const COMMAND_VARIABLES = ['DATA_DIR', 'CONFIG'].map(name => `${PREFIX}${name}`);
const HOOK_VARIABLES = ['EVENT_ID', 'EVENT_TYPE', 'USER', 'PATH', 'LOCAL_PATH', 'ATTEMPT'].map(name => `${PREFIX}${name}`);
const RESERVED = new Set([...COMMAND_VARIABLES, ...HOOK_VARIABLES]);

/** Where a configuration comes from. */
export interface ConfigInput {
  /** A YAML file; JSON is YAML. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Values that replace the file's: for tests and for `entrepot portable`. */
  readonly values?: object | undefined;
}

/** One option, as `entrepot config print` shows it. */
export interface ConfigRow {
  readonly path: string;
  /** The same, name by name: names of extensions may hold dots. */
  readonly names: readonly string[];
  /** As it was written, or the default; '(hidden)' for a secret that is set. */
  readonly value: unknown;
  /** 'default', the file, or the environment variable. */
  readonly source: string;
}

type Tree = Record<string, unknown>;

interface Variable {
  readonly name: string;
  readonly text: string;
  /** The levels of its name, folded. */
  readonly levels: readonly string[];
  used: boolean;
}

/** The environment of this process. */
export function processEnvironment(): Readonly<Record<string, string | undefined>> {
  return process.env;
}

/**
 * What file and environment say, handed out section by section to those who know the schema. Sections are parsed
 * first, each once; finish() then complains about everything that no section knows.
 */
export class ConfigSources {
  readonly #sections = new Map<string, { readonly path: readonly string[]; readonly schema: ZodType }>();
  readonly #rows: ConfigRow[] = [];

  private constructor(
    private readonly label: string,
    private readonly tree: Tree,
    private readonly variables: readonly Variable[],
  ) {}

  /** Reads the file and remembers the variables. Throws ConfigError for a file that cannot be read or is no YAML, with line and column. */
  static async read({ file, env, values }: ConfigInput): Promise<ConfigSources> {
    const tree = file === undefined ? {} : await readYaml(file);
    if (values) merge(tree, structuredClone(values) as Tree);
    const variables = Object.entries(env)
      .filter(([name, text]) => name.startsWith(PREFIX) && !RESERVED.has(name) && text !== undefined && text !== '')
      .map(([name, text]) => ({ name, text: text!, levels: name.slice(PREFIX.length).split('__').map(fold), used: false }))
      .sort((a, b) => a.levels.length - b.levels.length);
    return new ConfigSources(file ?? 'configuration', tree, variables);
  }

  /** The names that file or environment use directly below `path`, such as those of the extensions. */
  keys(path: readonly string[]): readonly string[] {
    const names = new Set(Object.keys(childrenAt(this.tree, path)));
    for (const variable of this.variables) {
      if (covers(variable, path))
        for (const name of Object.keys(childrenAt(jsonObject(variable), path.slice(variable.levels.length)))) names.add(name);
    }
    return [...names];
  }

  /**
   * The section at `path`, checked by `schema`: what the file says, replaced by what the environment says. The root
   * (`[]`) is without `protocols` and `extensions`. Throws ConfigError with every problem of the section.
   */
  parse<T>(path: readonly string[], schema: ZodType<T>): T {
    this.#sections.set(path.join('\0'), { path, schema });
    const problems: string[] = [];
    const origins = new Map<string, string>();
    const raw = this.#section(path, schema, origins, problems);
    const originOf = (names: readonly string[]): string => nearestOrigin(origins, names) ?? this.label;
    const context = { path, schema, raw, originOf, alsoKnown: path.length ? [] : FOREIGN_SECTIONS };
    const result = schema.safeParse(raw);
    if (!result.success) problems.push(...describeIssues(result.error.issues, context));
    problems.push(...this.#replacedProblems(context).filter(problem => !problems.includes(problem)));
    if (problems.length) throw new ConfigError(problems);
    this.#rows.push(...rowsOf(path, schema, raw, originOf));
    return result.data!;
  }

  /** Throws ConfigError when the file or the environment has something that no parsed section knows, with the nearest known name. */
  finish(): void {
    const problems = [...this.#strangers(this.label, this.tree, [])];
    for (const variable of this.variables) {
      const name = FOREIGN_SECTIONS.find(section => fold(section) === variable.levels[0]);
      if (name && variable.levels.length === 1) problems.push(...this.#strangers(variable.name, jsonObject(variable), [name]));
      else if (!variable.used) problems.push(`${variable.name}: no such option${this.#variableMeant(variable)}`);
    }
    if (problems.length) throw new ConfigError(problems);
  }

  /** Where `path` is named, for messages: 'config.yaml: extensions.my-package'. */
  place(path: readonly string[]): string {
    const variable = this.variables.find(
      other => covers(other, path) && valueAt(parseJson(other.text), path.slice(other.levels.length)) !== undefined,
    );
    return `${variable?.name ?? this.label}: ${path.join('.')}`;
  }

  /** Every option of the sections parsed so far, with secrets hidden. */
  sources(): readonly ConfigRow[] {
    return this.#rows;
  }

  /** What file and environment say about one section; null counts as not said. */
  #section(path: readonly string[], schema: ZodType, origins: Map<string, string>, problems: string[]): unknown {
    const own = withoutNulls(valueAt(this.tree, path) ?? {});
    if (!isTree(own)) return own;
    const raw: Tree = structuredClone(own);
    if (path.length === 0) for (const name of FOREIGN_SECTIONS) delete raw[name];
    for (const variable of this.variables) {
      if (path.length && covers(variable, path)) {
        const value = withoutNulls(valueAt(jsonObject(variable), path.slice(variable.levels.length)) ?? {});
        if (isTree(value)) merge(raw, value, names => origins.set(names.join('\0'), variable.name));
        continue;
      }
      const rest = below(variable, path);
      const found = rest && resolve(schema, rest);
      if (!found) continue;
      if (variable.used) problems.push(`${variable.name}: '${found.names.join('.')}' is set twice`);
      variable.used = true;
      const value = readVariable(variable, found, problems);
      if (value === undefined) continue;
      put(raw, found.names, value, names => {
        const key = names.join('\0');
        if (origins.has(key) && !found.isSection)
          problems.push(`${variable.name}: '${[...path, ...names].join('.')}' is set by ${origins.get(key)} as well`);
        origins.set(key, variable.name);
      });
    }
    return raw;
  }

  /** What is wrong in the file where a variable replaces it: it would come to light when the variable goes. */
  #replacedProblems(context: IssueContext): readonly string[] {
    const raw = withoutNulls(valueAt(this.tree, context.path) ?? {});
    const own =
      context.path.length === 0 && isTree(raw)
        ? Object.fromEntries(Object.entries(raw).filter(([name]) => !FOREIGN_SECTIONS.some(section => section === name)))
        : raw;
    const result = context.schema.safeParse(own);
    const replaced =
      result.error?.issues.filter(
        ({ path }) => path.length > 0 && valueAt(own, path.map(String)) !== undefined && !isTree(valueAt(own, path.map(String))),
      ) ?? [];
    return describeIssues(replaced, { ...context, raw: own, originOf: () => this.label });
  }

  *#strangers(label: string, tree: Tree, at: readonly string[]): Generator<string> {
    for (const section of FOREIGN_SECTIONS) {
      if (at.length && at[0] !== section) continue;
      const known = [...this.#sections.values()].filter(({ path }) => path[0] === section).map(({ path }) => path[1]!);
      const value = at.length ? tree : (tree[section] ?? {});
      if (!isTree(value)) {
        yield `${label}: ${section}: expected a section with names and their options`;
        continue;
      }
      for (const name of Object.keys(value)) {
        if (!known.includes(name)) yield `${label}: ${section}.${name}: no such ${section.slice(0, -1)}${didYouMean(name, known)}`;
      }
    }
  }

  /** An option of the same name in another section, or one that is spelt nearly so; never what only a hook is given. */
  #variableMeant({ name, levels }: Variable): string {
    const known = [...this.#variableNames()].map(other => other.slice(PREFIX.length));
    const elsewhere = known.filter(other => levels.length === 1 && fold(other.split('__').at(-1)!) === levels[0]);
    const meant = elsewhere.length > 0 ? elsewhere[0] : nearest(name.slice(PREFIX.length), known);
    return meant === undefined ? '' : `, did you mean '${PREFIX}${meant}'?`;
  }

  *#variableNames(): Generator<string> {
    yield* COMMAND_VARIABLES;
    for (const { path, schema } of this.#sections.values()) for (const [names] of optionsOf(schema, path)) yield variableName(names);
  }
}

async function readYaml(file: string): Promise<Tree> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new ConfigError([`${file}: ${error.code === 'ENOENT' ? 'no such file' : `cannot be read (${error.code})`}`]);
  });
  const { LineCounter, parseDocument } = await import('yaml');
  const lines = new LineCounter();
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines });
  if (document.errors.length) {
    throw new ConfigError(
      document.errors.map(error => {
        const { line, col } = lines.linePos(error.pos[0]);
        return `${file}:${line}:${col}: not valid YAML: ${error.message}`;
      }),
    );
  }
  const value: unknown = document.toJS({ maxAliasCount: 50 }) ?? {};
  if (!isTree(value)) throw new ConfigError([`${file}: expected a mapping of names to values at the top`]);
  return value;
}

interface Found {
  readonly names: readonly string[];
  readonly shape: Shape;
  /** Whether it names a whole section, whose members other variables may replace. */
  readonly isSection: boolean;
  /** Whether the variable holds the name of a file with the value. */
  readonly fromFile: boolean;
}

/** The option of `schema` that folded `levels` name; the last may carry `…_FILE`. */
function resolve(schema: ZodType, levels: readonly string[]): Found | undefined {
  const exact = walk(schema, levels);
  if (exact) return { ...exact, isSection: exact.shape.kind === 'object', fromFile: false };
  const last = levels.at(-1) ?? '';
  if (!last.endsWith('file')) return undefined;
  const found = walk(schema, [...levels.slice(0, -1), last.slice(0, -'file'.length)]);
  return found && { ...found, isSection: false, fromFile: true };
}

function walk(schema: ZodType, levels: readonly string[]): { names: readonly string[]; shape: Shape } | undefined {
  const names: string[] = [];
  let shape = shapeOf(schema);
  for (const level of levels) {
    const name = Object.keys(shape.children).find(candidate => fold(candidate) === level);
    if (name === undefined) return undefined;
    names.push(name);
    shape = shapeOf(shape.children[name]!);
  }
  return { names, shape };
}

function readVariable(variable: Variable, { shape, fromFile }: Found, problems: string[]): unknown {
  let text = variable.text;
  if (fromFile) {
    try {
      text = readFileSync(text, 'utf8').replace(/\r?\n$/, '');
    } catch (error) {
      problems.push(`${variable.name}: the file ${JSON.stringify(text)} cannot be read (${(error as NodeJS.ErrnoException).code})`);
      return undefined;
    }
  }
  const value = valueFromText(text, shape);
  if (!['list', 'record', 'object'].includes(shape.kind)) return value;
  const wanted = shape.kind === 'list' ? Array.isArray(value) : isTree(value);
  if (wanted) return value;
  problems.push(
    `${variable.name}: expected ${shape.kind === 'list' ? 'a list in JSON, such as ["a","b"]' : 'a section in JSON, such as {"name":"value"}'}`,
  );
  return undefined;
}

function* rowsOf(
  path: readonly string[],
  schema: ZodType,
  raw: unknown,
  originOf: (names: readonly string[]) => string,
): Generator<ConfigRow> {
  for (const [rest, shape] of optionsOf(schema)) {
    const given = valueAt(raw, rest);
    // A section without options of its own is no row.
    if (rest.length === 0 && (!isTree(given) || Object.keys(given).length === 0)) continue;
    const names = [...path, ...rest];
    const value = given === undefined ? shape.default : shape.secret ? '(hidden)' : given;
    yield { path: names.join('.'), names, value, source: given === undefined ? 'default' : originOf(rest) };
  }
}

/** Compares names of options with names of variables. */
function fold(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}

/** Whether the variable names `path` or something above it. */
function covers({ levels }: Variable, path: readonly string[]): boolean {
  return levels.length <= path.length && levels.every((level, index) => level === fold(path[index]!));
}

/** The levels of the variable below `path`; undefined when it is not below it. */
function below({ levels }: Variable, path: readonly string[]): readonly string[] | undefined {
  if (path.length === 0) return FOREIGN_SECTIONS.some(section => fold(section) === levels[0]) ? undefined : levels;
  return levels.length > path.length && path.every((name, index) => fold(name) === levels[index]) ? levels.slice(path.length) : undefined;
}

function jsonObject(variable: Variable): Tree {
  variable.used = true;
  const value = parseJson(variable.text);
  if (isTree(value)) return value;
  throw new ConfigError([`${variable.name}: expected a section in JSON, such as {"name":"value"}`]);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function valueAt(tree: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, name) => (isTree(value) && Object.hasOwn(value, name) ? value[name] : undefined), tree);
}

function childrenAt(tree: unknown, path: readonly string[]): Tree {
  const value = valueAt(tree, path);
  return isTree(value) ? value : {};
}

function withoutNulls(value: unknown): unknown {
  if (!isTree(value)) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([name, inner]) => (inner === null ? [] : [[name, withoutNulls(inner)]])));
}

type Told = (names: readonly string[]) => void;

function merge(target: Tree, source: Tree, told?: Told, at: readonly string[] = []): void {
  for (const [name, value] of Object.entries(source)) put(target, [name], value, told && (names => told([...at, ...names])));
}

/** Sets one value, sections member by member, and tells each path that was set. */
function put(target: Tree, names: readonly string[], value: unknown, told?: Told): void {
  let place = target;
  for (const name of names.slice(0, -1)) {
    if (!isTree(place[name])) place[name] = {};
    place = place[name] as Tree;
  }
  const last = names.at(-1)!;
  if (!isTree(value)) {
    place[last] = value;
    told?.(names);
    return;
  }
  const inner = isTree(place[last]) ? place[last] : {};
  place[last] = inner;
  merge(inner, value, told, names);
}

function nearestOrigin(origins: ReadonlyMap<string, string>, names: readonly string[]): string | undefined {
  for (let length = names.length; length > 0; length--) {
    const origin = origins.get(names.slice(0, length).join('\0'));
    if (origin !== undefined) return origin;
  }
  return undefined;
}
