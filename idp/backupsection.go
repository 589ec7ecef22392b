package idp

// BackupSection says whether somebody who has one second step only is asked to add another, for the day when it is lost.
type BackupSection struct {
	Written
	Mode BackupMode `json:"mode"`
}

// BackupMode is the word of the backup_factor section.
type BackupMode string

// The modes. Require lets nobody go on without a backup who can add one; Suggest takes "not now" for an answer, and asks
// again after a while; Off says nothing.
const (
	BackupRequire BackupMode = "require"
	BackupSuggest BackupMode = "suggest"
	BackupOff     BackupMode = "off"
)

func (s *BackupSection) lines() []string { return []string{"backup_factor " + string(s.Mode)} }

func (s *BackupSection) check() error {
	return oneOf("backup_factor", s.Mode, BackupRequire, BackupSuggest, BackupOff)
}

// mode is Off where nobody says.
func (s *BackupSection) mode() BackupMode {
	if s == nil {
		return BackupOff
	}
	return s.Mode
}
