import { libc } from './libc.ts'

/** Memory that this process has and nobody in it uses. */

/**
 * Gives memory that was freed back to the kernel. The C library keeps it by itself, in an arena for
 * each thread: after its compilers have worked, the runtime has twenty megabytes of it.
 * Milliseconds.
 *
 * @returns false where there was none, or the C library cannot be asked
 */
export function returnMemory(): boolean {
  try {
    return libc().malloc_trim?.(0) === 1
  } catch {
    // without koffi a process has more memory, and is otherwise the same
    return false
  }
}
