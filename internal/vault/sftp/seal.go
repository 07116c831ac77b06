package sftp

import "encoding/binary"

// sealedMode is that of files on a server which neither removes nor renames nor
// changes modes: who made such a file can read it, and nobody can open it for
// writing any more, not even who made it. Whoever has it open writes on.
const sealedMode = 0o444

// What draft-ietf-secsh-filexfer-02 calls SSH_FXP_OPEN, SSH_FXF_CREAT with
// SSH_FXF_EXCL, and SSH_FILEXFER_ATTR_PERMISSIONS.
const (
	packetOpen      = 3
	flagsNew        = 0x08 | 0x20
	attrPermissions = 0x04
)

// sealed returns the packet with the mode in it, if it asks for a new file. Package
// pkg/sftp can't give one its mode as it is made, and afterwards would be too late.
func sealed(packet []byte) ([]byte, bool) {
	const head, tail = 4 + 1 + 4 + 4, 4 + 4 // length, type, id, length of the name; flags, attributes
	if len(packet) < head+tail || packet[4] != packetOpen {
		return nil, false
	}
	at := head + int(binary.BigEndian.Uint32(packet[head-4:]))
	if len(packet) != at+tail || binary.BigEndian.Uint32(packet[at:])&flagsNew != flagsNew || binary.BigEndian.Uint32(packet[at+4:]) != 0 {
		return nil, false
	}
	out := append(make([]byte, 0, len(packet)+4), packet[:at+4]...)
	out = binary.BigEndian.AppendUint32(out, attrPermissions)
	out = binary.BigEndian.AppendUint32(out, sealedMode)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out, true
}
