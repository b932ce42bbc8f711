// Package worktree is a folder of files that belongs to a drive: what `hc share` publishes and `hc clone` makes.
//
// The store is in the folder, as .hc. In it, the file worktree says which drive it is, and which version is checked out. The
// holder of the drive's secret key publishes: Publish imports the folder. All others follow: Update brings the files of another
// version into the folder, and stops if somebody has edited them.
//
// The file is one JSON object, replaced as a whole, and synced:
//
//	{"format":"hc-worktree 1","drive":"<key hex>","at":"<fork>.<length>.<key>.<tree hash>","to":["…"],"parts":["data"],"pinned":true,"left":["\"/a\""]}
//
// `at` is the version whose files are in the folder. `to` is there while an update is under way: the versions of interrupted
// updates, and last the one that the files are being brought to. Until one has ended, a file may be as any of these has it.
// `parts` are what was cloned, if that is not all. `pinned` says that an older version was asked for, which an update does not
// leave by itself. `left` are names of the version that were not written, as Go quotes them: the next update tries them again.
// `more` says that there are too many to list, and then it tries all. `was` are earlier versions that those names may still be
// of: a file that was left out and is as one of them has it was not edited.
//
// While the folder is being published, there is also the file publishing: the value of `at`, a space, and the version that is
// about to be signed. If a publish was killed, and the drive is at just this version, it is that of the folder.
package worktree
