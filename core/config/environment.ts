/** The variables among `names` that the hub itself was started with, for the processes that it starts. Others are left out. */
export function inheritedEnvironment(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap(name => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}
