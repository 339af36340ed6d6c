/** The machine that the node is: its interfaces, and the file that its container runtime reads. */
export { CniFile, hostLocalAddresses } from './cni.ts'
export { addressToward, hostInterfaces } from './interfaces.ts'
