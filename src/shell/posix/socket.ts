import { PosixError } from './error.ts'
import { checked, libc } from './libc.ts'

/** Sockets that the runtime does not have, and options on those that it has. */

const SOCK_CLOEXEC = 0x80000
const MSG_DONTWAIT = 0x40
const MSG_TRUNC = 0x20

const EAGAIN = 11
const EINTR = 4

/** A descriptor of our own. Every method throws a `PosixError` when the kernel refuses. */
export class PosixSocket {
  readonly fd: number
  #closed = false

  /** Opens one. Never blocks by itself: reading is by `receive`, which does not wait. */
  constructor(domain: number, type: number, protocol: number) {
    this.fd = checked('socket', libc().socket(domain, type | SOCK_CLOEXEC, protocol))
  }

  /** @param address  a `sockaddr` of the socket's family */
  bind(address: Uint8Array): void {
    checked('bind', libc().bind(this.fd, address, address.length))
  }

  /** The socket's own address, a `sockaddr` of at most `octets`. */
  name(octets: number): Uint8Array {
    const address = new Uint8Array(octets)
    checked('getsockname', libc().getsockname(this.fd, address, Int32Array.of(octets)))
    return address
  }

  /** Sets an option to bytes, or to an `int`. */
  setOption(level: number, option: number, value: Uint8Array | number): void {
    setSocketOption(this.fd, level, option, value)
  }

  /**
   * Attaches a program of classic BPF, eight octets an instruction, that decides what the socket
   * gets.
   */
  attachFilter(level: number, option: number, code: Uint8Array): void {
    checked('setsockopt', libc().attachFilter(this.fd, level, option, code))
  }

  /**
   * Sends all of `bytes` on a thread of the runtime's pool, so that a kernel that takes long does
   * not stop this one. `done` has the number of octets, or the negative errno. `bytes` must stay as
   * they are until then.
   */
  send(bytes: Uint8Array, done: (sent: number) => void): void {
    libc().sendLater(this.fd, bytes, done)
  }

  /** Sends all of `bytes` now, waiting for the kernel. */
  sendNow(bytes: Uint8Array): void {
    checked('send', libc().send(this.fd, bytes, bytes.length, 0))
  }

  /**
   * Takes one datagram without waiting: its length, or -1 when there is none. Throws EMSGSIZE when
   * it is longer than `into`: what is cut off is lost.
   */
  receive(into: Uint8Array): number {
    for (;;) {
      const length = libc().recv(this.fd, into, into.length, MSG_DONTWAIT | MSG_TRUNC)
      if (length >= 0) {
        if (length > into.length) throw new PosixError('recv', 90)
        return length
      }
      const errno = libc().errno()
      if (errno === EAGAIN) return -1
      if (errno !== EINTR) throw new PosixError('recv', errno)
    }
  }

  /**
   * Somebody else closes the descriptor from here on: this object does nothing with it any more.
   */
  release(): number {
    this.#closed = true
    return this.fd
  }

  /** Closes it; a second time does nothing. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    libc().close(this.fd)
  }
}

/** Both ends of a new pipe: to read from, to write to. */
export function openPipe(): readonly [number, number] {
  const ends = new Int32Array(2)
  checked('pipe2', libc().pipe2(ends, SOCK_CLOEXEC))
  return [ends[0] ?? -1, ends[1] ?? -1]
}

/** Sets an option of any socket by its descriptor: bytes, or an `int`. */
export function setSocketOption(
  fd: number,
  level: number,
  option: number,
  value: Uint8Array | number,
): void {
  const bytes = typeof value === 'number' ? intBytes(value) : value
  checked('setsockopt', libc().setsockopt(fd, level, option, bytes, bytes.length))
}

/** An option of any socket that is an `int`. */
export function socketOption(fd: number, level: number, option: number): number {
  return socketStructure(fd, level, option, 4).getInt32(0, true)
}

/** An option of any socket that is a structure: its first `octets`, zeros where it is shorter. */
export function socketStructure(
  fd: number,
  level: number,
  option: number,
  octets: number,
): DataView {
  const bytes = new Uint8Array(octets)
  checked('getsockopt', libc().getsockopt(fd, level, option, bytes, Int32Array.of(octets)))
  return new DataView(bytes.buffer)
}

function intBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setInt32(0, value, true)
  return bytes
}
