// Package folder moves files between a disk and a drive: folders and tars into a stream (Import, ImportTar), and a drive's
// files into a folder (Export).
//
//	w := stream.NewWriter(out)
//	done, err := folder.Import(ctx, w, []folder.Source{{Path: "data"}}, folder.Options{})
//	…
//	err = w.Close()      // without it the stream is void
//	err = done.Keep(nil) // saves what is known of the files; the next import reads only what has changed since
//
// Everything on a disk is reached through os.Root, so that no link leads out of a folder. A file that takes another's place
// between two looks is noticed. Nothing is read from a folder named .hc, or written to it, in any spelling.
//
// Memory is bounded: it holds the names of the folders that are open or listed ahead, a window of small files that wait for
// their turn, and the stream's memory of paths.
package folder
