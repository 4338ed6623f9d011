/**
 * Sets a property whose name somebody else chooses, a client or an application: `__proto__` is a name as any other, not the prototype.
 * To look such a name up ask `Object.hasOwn` first, or `constructor` is found where nobody put it.
 */
export function setOwn<T> (target: Record<string, T>, name: string, value: T): void {
  if (name === '__proto__') Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true })
  else target[name] = value
}
