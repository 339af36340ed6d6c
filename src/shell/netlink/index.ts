/** The kernel's routes over rtnetlink. */
export { type DatagramListener, type DatagramSource, listen, poll } from './events.ts'
export { NetlinkKernel, type NetlinkOptions } from './kernel.ts'
export { ignoreChangesBy, type NetlinkSocket, openNetlink } from './socket.ts'
