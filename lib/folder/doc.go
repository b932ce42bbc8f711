// Package folder is where files of a disk meet a drive: folders and tars on their way into a stream (Import, ImportTar), and
// a drive's files on their way into a folder (Export).
//
//	w := stream.NewWriter(out)
//	done, err := folder.Import(ctx, w, []folder.Source{{Path: "data"}}, folder.Options{})
//	…
//	err = w.Close()      // without it the stream is void
//	err = done.Keep(nil) // what is known of the files now; the next import reads what has changed since
//
// All that is on a disk is reached through os.Root, so that no link leads out of a folder, and what took another's place
// between two looks is told from it. Nothing is read from a folder named .hc, or written to it, in any spelling.
//
// Memory is bounded: by the names of the folders that are open or listed ahead, by a window of small files that wait for
// their turn, and by the stream's memory of paths.
package folder
