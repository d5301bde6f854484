// The entry 'weftjs/serve': models as a service.
import './error_codes.js'
export { type ApiKeyEntry, createApiKey, readApiKeys } from './auth/api_keys.js'
export { type AuditOptions, type AuditVerdict, verifyAudit } from './audit.js'
export type { OidcOptions } from './auth/oidc.js'
export type { Role } from './auth/principal.js'
export { backup, type BackupOptions, type BackupResult } from './backup/backup.js'
export { restore, type Restored, type RestoreOptions } from './backup/restore.js'
export { snapshotIds } from './backup/snapshot.js'
export type { Rate } from './auth/rates.js'
export { type Batched, type BatcherOptions, batcher } from './batcher.js'
export {
  type CallOptions,
  type Client,
  type ConnectOptions,
  connect,
  type GenerateOptions,
  type InferOptions,
  type InferResult,
} from './client/client.js'
export type { ExplainLimits } from './explanation.js'
export type { GeneratedPart } from './client/transport.js'
export type { Limits } from './protocol/limits.js'
export { loadPublished, type LoadPublishedOptions } from './publishing/load_published.js'
export { publish, type Published, type PublishOptions } from './publishing/publish.js'
export { type ChangedKeys, changeModelKey } from './publishing/change_key.js'
export type { ModelSettings, VersionPolicy } from './repository/settings.js'
export type { SchedulerOptions, SubmitOptions } from './scheduler.js'
export type { TlsOptions } from './security.js'
export type { AuthOptions, HttpListen, Listen, ServeOptions } from './serve_options.js'
export { type CloseOptions, type Server, serve } from './server.js'
export type { Control } from './service.js'
