export { z } from 'zod';
export type { Authenticator, Credential, LoginAttempt } from './auth/authenticators.js';
export type { Admission } from './auth/defence.js';
export type { LoginService } from './auth/login.js';
export { type NextProof, ProofRequired } from './auth/proof-required.js';
export type { Session } from './auth/session.js';
export { inheritedEnvironment } from './config/environment.js';
export { didYouMean } from './config/nearest.js';
export { duration, durations, parseDuration, parseSize, size } from './config/units.js';
export type { User } from './db/users.js';
export { type ErrorCode, HubError, toHubError } from './errors.js';
export type { ActionType } from './events/action.js';
export { type Delivery, DeliveryFailure, PermanentFailure, type Receipt, type TargetLimits } from './events/delivery.js';
export { type GuardEnvelope, guardEnvelope } from './events/guard-envelope.js';
export type { Rule, RuleAction, RuleConditions } from './events/rules.js';
export { EVENT_TYPES, type EventType, type EventTypes, type HubEvent, matchesType } from './events/types.js';
export { defineExtension, type EventHandler, type Extension, type ExtensionHost } from './extensions/extension.js';
export { API_VERSION } from './extensions/version.js';
export { compileGlob, type GlobOptions, pathPatternProblem } from './glob.js';
export { GUARDED_ACTIONS, type Guard, type GuardedAction, type GuardedActionName, type GuardedActions } from './guards.js';
export { randomToken, uuidv7 } from './ids.js';
export type { Logger } from './log.js';
export { addressWithin } from './net.js';
export type { Outbound, OutboundRequest, OutboundResponse } from './outbound.js';
export { printable } from './printable.js';
export type { HostKeyInfo, HostKeyRing, ListenAddress, ProtocolContext, ProtocolServer, ProtocolType } from './protocol.js';
export type { Endpoint, ProxyHeader } from './proxy-header.js';
export { type ProxyProtocol, presentAs } from './proxy-protocol.js';
export type { SessionInfo, SessionSnapshot, TransferSnapshot } from './session-info.js';
export type {
  AtOnce,
  BackendType,
  FileAttributes,
  FileInfo,
  HashAlgorithm,
  OpenFlags,
  StagedFile,
  StorageBackend,
  StorageFeatures,
  StorageHandle,
} from './storage/backend.js';
export { rangeHandle } from './storage/handles.js';
export type { Certificates, ClientCertificate, ServerTlsOptions } from './tls/certificates.js';
export { HUB_VERSION } from './version.js';
export { type DigestRange, digestRange } from './vfs/digest.js';
export { DEFAULT_MODE, type LongLineFormat, longLine } from './vfs/long-line.js';
export type { Transfer } from './vfs/transfer.js';
export type { VirtualFileSystem } from './vfs/virtual-file-system.js';
