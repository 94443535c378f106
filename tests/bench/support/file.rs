//! Uses of files, as events tell of them.

use glasshouse::event::{AccessTotals, FileFacts, FileOrigin, FileSeen, Observed, PathSource, ResolvedPath};

/// The first use of a regular file.
pub(crate) fn seen(access: u64, path: String, inode: u64, totals: AccessTotals) -> FileSeen {
    FileSeen {
        access,
        path: ResolvedPath {
            path: Observed::Complete(path.into_bytes()),
            in_root: None,
            source: PathSource::Kernel,
            unlinked: false,
            unreachable: false,
        },
        asked: None,
        origin: FileOrigin::Opened,
        facts: FileFacts {
            device: (8, 1),
            inode,
            size: 100,
            mtime: (1, 2),
            ctime: (1, 2),
            mode: 0o100_644,
            links: 1,
            unlinked: false,
            unreachable: false,
        },
        file_system: 0xef53,
        open_flags: 0,
        totals,
    }
}
