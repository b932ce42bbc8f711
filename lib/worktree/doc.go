// Package worktree is a folder of files that belongs to a drive: what `hc share` publishes and `hc clone` makes.
//
// The store is in the folder, as .hc, and in it the file worktree says which drive it is, and which version is checked out.
// Who has the drive's secret key publishes: Publish imports the folder. All others follow: Update brings the files of another
// version into the folder, and stops where somebody has edited them.
//
// The file is one JSON object, replaced as a whole, and synced:
//
//	{"format":"hc-worktree 1","drive":"<key hex>","at":"<fork>.<length>.<key>.<tree hash>","to":["…"],"parts":["data"],"pinned":true,"left":["\"/a\""]}
//
// `at` is the version whose files are in the folder; `to`, while an update is under way, the one that they are going to be
// of, behind those of updates that were interrupted before it: until one has ended, a file may be as any of these has it.
// `parts` are what was cloned, if that is not all. `pinned` says that an older version was asked for, which an update does
// not leave by itself. `left` are names of the version that were not written, as Go quotes them: the next update tries them
// again; `more` says that there are too many to be listed, and then it tries all. `was` are the versions before that those
// names may still be of: what was left out and is as one of them has it was not edited.
//
// Beside it stands, while the folder is published, the file publishing, with what `at` is, a space, and the version that is about to be
// signed: where that was killed, and the drive is at just this version, it is the folder's own.
package worktree
