/**
 * How git runs ssh: with the keys of the given agent alone, without a question, and without the user's ssh settings.
 *
 * Host keys: BuildKit asks the host for its key first and believes it, so that nothing is verified. Here a host that the
 * machine's or the user's known_hosts name must have the key that stands there; one that they do not name is believed.
 * Nothing is written: the first file is where ssh would add new keys. A constant text, because a shell reads it.
 */
export const GIT_SSH_COMMAND = [
  "ssh -F /dev/null -a -x -T",
  "-o BatchMode=yes -o IdentityFile=none -o PermitLocalCommand=no -o ControlMaster=no -o ControlPath=none",
  '-o StrictHostKeyChecking=accept-new -o UpdateHostKeys=no -o "UserKnownHostsFile=/dev/null ~/.ssh/known_hosts"',
  "-o ConnectTimeout=60 -o ServerAliveInterval=15 -o ServerAliveCountMax=8 -o LogLevel=ERROR",
].join(" ");
