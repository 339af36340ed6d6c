/**
 * BIRD's control socket, spoken by somebody else: what calicoctl, Calico's probes and birdc ask is
 * answered as BIRD 1.6 does. Nothing can be changed through it.
 */
export { interfacesHere } from './interfaces.ts'
export { reply } from './replies.ts'
export { type BirdSocket, makeBirdSocket } from './socket.ts'
