/** Failures to listen, in words that help. */

/** Why an address could not be bound, and which flag helps. */
export function whyNotBound(error: unknown): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return "another program uses this port; stop it or choose another by --port";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return "this machine has no such address; choose one by --hostname";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return "this user may not; choose a port from 1024 on by --port";
  }
  const reason = error instanceof Error ? error.message : String(error);
  return `${reason}; choose another address by --hostname`;
}
