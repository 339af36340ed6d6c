import { createRequire } from 'node:module'
import { endianness } from 'node:os'
import type Koffi from 'koffi'
import { invariant } from '../../core/base/index.ts'
import { PosixError } from './error.ts'

/**
 * The C library. The only file that knows koffi: what it gives is typed here, and no further.
 *
 * It is loaded when first used, so that a process that needs no system call of ours does not carry
 * koffi, which is ten megabytes: many import this room through another's door.
 */

/**
 * The calls that Martlet makes, as the C library has them; -1 is a failure, with errno beside it.
 */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number
  close(fd: number): number
  bind(fd: number, address: Uint8Array, length: number): number
  getsockname(fd: number, address: Uint8Array, length: Int32Array): number
  setsockopt(fd: number, level: number, option: number, value: Uint8Array, length: number): number
  /** `SO_ATTACH_FILTER`: a `struct sock_fprog` holds a pointer, so it has a call of its own */
  attachFilter(fd: number, level: number, option: number, code: Uint8Array): number
  getsockopt(
    fd: number,
    level: number,
    option: number,
    value: Uint8Array,
    length: Int32Array,
  ): number
  recv(fd: number, into: Uint8Array, length: number, flags: number): number
  send(fd: number, bytes: Uint8Array, length: number, flags: number): number
  /** on a thread of the runtime's pool; errno is negative in the answer */
  sendLater(fd: number, bytes: Uint8Array, done: (sent: number) => void): void
  pipe2(ends: Int32Array, flags: number): number
  prctl(option: number, second: number, third: number, fourth: number, fifth: number): number
  unshare(flags: number): number
  setns(fd: number, kind: number): number
  /** 0 where there is no such link, with errno beside it */
  if_nametoindex(name: string): number
  /** absent from some C libraries, musl among them */
  malloc_trim: ((pad: number) => number) | undefined
  errno(): number
}

/** Octets of one instruction of classic BPF. */
const FILTER_OCTETS = 8

let loaded: Libc | undefined

/** The C library of this process. Throws what koffi throws where it cannot be loaded. */
export function libc(): Libc {
  loaded ??= load()
  return loaded
}

/** Throws a `PosixError` when `result` is -1. */
export function checked(call: string, result: number): number {
  if (result < 0) throw new PosixError(call, libc().errno())
  return result
}

/** What koffi makes of a function, or undefined where the library has none of that name. */
function optional<Call>(find: () => Call): Call | undefined {
  try {
    return find()
  } catch {
    return undefined
  }
}

function load(): Libc {
  // netlink is in host order, and core/rtnl reads little-endian
  invariant(endianness() === 'LE', 'the machine is little-endian')
  const koffi: typeof Koffi = createRequire(import.meta.url)('koffi')
  const library = koffi.load(null)
  const filter = koffi.struct('sock_fprog', { len: 'uint16_t', filter: 'void *' })
  const attach = library.func('setsockopt', 'int', [
    'int',
    'int',
    'int',
    koffi.pointer(filter),
    'uint32_t',
  ])
  const send = library.func('intptr_t send(int, const void *, size_t, int)')
  return {
    socket: library.func('int socket(int, int, int)'),
    close: library.func('int close(int)'),
    bind: library.func('int bind(int, const void *, uint32_t)'),
    getsockname: library.func('int getsockname(int, void *, _Inout_ uint32_t *)'),
    setsockopt: library.func('int setsockopt(int, int, int, const void *, uint32_t)'),
    attachFilter: (fd, level, option, code) =>
      attach(
        fd,
        level,
        option,
        { len: code.length / FILTER_OCTETS, filter: code },
        koffi.sizeof(filter),
      ),
    getsockopt: library.func('int getsockopt(int, int, int, void *, _Inout_ uint32_t *)'),
    recv: library.func('intptr_t recv(int, void *, size_t, int)'),
    send,
    sendLater(fd, bytes, done) {
      send.async(fd, bytes, bytes.length, 0, (error: unknown, sent: number) => {
        done(error === null && sent >= 0 ? sent : -koffi.errno())
      })
    },
    pipe2: library.func('int pipe2(_Out_ int *, int)'),
    prctl: library.func(
      'int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)',
    ),
    unshare: library.func('int unshare(int)'),
    setns: library.func('int setns(int, int)'),
    if_nametoindex: library.func('uint32_t if_nametoindex(const char *)'),
    malloc_trim: optional(() => library.func('int malloc_trim(size_t)')),
    errno: () => koffi.errno(),
  }
}
