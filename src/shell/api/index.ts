/** The operators' API: proto/api.proto by Connect, over a unix socket. */
export { type AgentAnswers, type AgentState, ApiError } from './agent.ts'
export { type AgentClient, connectApi } from './client.ts'
export { type ApiServer, makeApi } from './server.ts'
