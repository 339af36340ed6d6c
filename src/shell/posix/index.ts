/** System calls that the runtime does not have, over koffi: no compiler on the user's machine. */
export { domainOf, linkIndex, SOCKADDR_STORAGE_OCTETS, socketAddress } from './address.ts'
export { errnoName, PosixError } from './error.ts'
export { returnMemory } from './memory.ts'
export {
  enterNewNetwork,
  forbidNewPrivileges,
  inNetwork,
} from './privilege.ts'
export {
  openPipe,
  PosixSocket,
  setSocketOption,
  socketOption,
  socketStructure,
} from './socket.ts'
