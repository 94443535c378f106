//! What a run leaves behind: files it made or changed, with their hashes.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

use crate::support::privilege::needs;
use crate::support::{calls, program, watch};

#[test]
fn created_and_modified() {
    needs!("sha256sum");
    let watched = calls(&[
        "a=openat AT_FDCWD created O_WRONLY|O_CREAT 0640 ; write a 1000",
        "b=openat AT_FDCWD modified O_RDWR ; pwrite64 b 3 2",
        "c=openat AT_FDCWD read O_RDWR ; read c 3",
        "d=openat AT_FDCWD emptied O_WRONLY|O_TRUNC",
        "mknod plain S_IFREG|0604 0",
    ]);
    let folder = watched.folder();
    for name in ["modified", "read", "emptied"] {
        fs::write(folder.join(name), "0123456789").unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o604)).unwrap();
    }
    let run = watched.run();
    let receipt = run.complete(0);
    let created = receipt.artifact(folder.join("created"));
    created.expect_content(&[b'x'; 1000]);
    assert_eq!((created.change(), created.mode()), ("created", 0o640));
    let modified = receipt.artifact(folder.join("modified"));
    modified.expect_content(b"01xxx56789");
    assert_eq!((modified.change(), modified.mode()), ("modified", 0o604));
    assert_eq!(receipt.artifact(folder.join("emptied")).expect_content(b"").change(), "modified");
    assert_eq!(receipt.artifact(folder.join("plain")).expect_content(b"").change(), "created");
    assert_eq!(receipt.artifacts().len(), 4, "{:?}", receipt.artifacts());
    let sum = std::process::Command::new("sha256sum").arg(folder.join("created")).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    assert_eq!(created.0["sha256"].as_str(), sum.split(' ').next());
}

/// Each in a run of its own: which inode number a file gets is chance, and says nothing.
#[test]
fn what_takes_the_place_of_another_file_says_so() {
    needs!();
    let check = |script: &str, expected: bool| {
        let watched = watch(["sh", "-c", script]);
        let folder = watched.folder();
        fs::write(folder.join("f"), "content").unwrap();
        fs::create_dir(folder.join("a")).unwrap();
        symlink("a", folder.join("b")).unwrap();
        let run = watched.run();
        let receipt = run.complete(0);
        let made = receipt.artifacts();
        assert!(!made.is_empty(), "{script}");
        for artifact in &made {
            let replaces = artifact.0.get("replaces").is_some();
            assert_eq!((artifact.change(), replaces), ("created", expected), "{script}: {artifact:?}");
        }
        assert_eq!(run.stderr.contains("\n  replaced "), expected, "{}", run.stderr);
    };
    for script in [
        "sed -i s/c/C/ f",
        "cat f >/dev/null; echo x > g; mv g f",
        "cat f >/dev/null; echo x > g; ln f h; mv g f",
        "cat f >/dev/null; mv f k; echo x > f",
        "rm f; echo x > f",
        "rm f; ln -s x f",
        "cp --remove-destination /etc/hostname f",
    ] {
        check(script, true);
    }
    for script in [
        "echo x > new; mv new newer",
        "echo x > new; rm new; echo x > new",
        "echo x > new; mv new newer; echo x > new2; mv new2 newer; cat newer >/dev/null",
        "cat new 2>/dev/null; echo x > new",
        // What the run itself has put there, by another path.
        "echo x > b/g; mv b/g b/n; rm a/n; echo y > a/n",
        "echo x > b/g; ln b/g b/n; rm a/n b/g; echo y > a/n",
        "ln -s x b/n; rm a/n; echo y > a/n",
        "echo x > b/g; mv b/g b/n; cat a/n >/dev/null; echo y > b/g; mv b/g b/n",
        "echo x > /proc/self/cwd/g; mv /proc/self/cwd/g /proc/self/cwd/n; rm n; echo y > n",
        "unshare -m sh -c 'mount --bind . a; echo x > a/g; umount a; rm g; echo y > g'",
    ] {
        check(script, false);
    }
}

/// A temporary file that is renamed into place is an artifact there, whatever was there before.
#[test]
fn renamed_into_place() {
    needs!();
    let watched = calls(&[
        "a=openat AT_FDCWD tmp O_WRONLY|O_CREAT 0600 ; write a 10 ; close a ; rename tmp fresh",
        "a=openat AT_FDCWD tmp O_WRONLY|O_CREAT 0600 ; write a 20 ; close a ; rename tmp old",
        "a=openat AT_FDCWD tmp O_WRONLY|O_CREAT 0600 ; write a 30 ; rename tmp open ; write a 1",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("old"), "content").unwrap();
    let receipt = watched.run().complete(0);
    for (name, length) in [("fresh", 10), ("old", 20), ("open", 31)] {
        receipt.artifact(folder.join(name)).expect_content(&vec![b'x'; length]);
    }
    assert_eq!(receipt.artifacts().len(), 3, "{:?}", receipt.artifacts());
}

#[test]
fn moved_with_its_directory() {
    needs!();
    let watched = calls(&[
        "mkdir one 0700 ; mkdir one/two 0700",
        "a=openat AT_FDCWD one/two/file O_WRONLY|O_CREAT 0600 ; write a 10 ; close a",
        "rename one/two one/three ; rename one four",
    ]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    receipt.artifact(folder.join("four/three/file")).expect_content(&[b'x'; 10]);
    assert_eq!(receipt.artifacts().len(), 1, "{:?}", receipt.artifacts());
    receipt.expect_file(folder.join("one/two/file"), "open 1, create 1, write 1", 0, 10);
}

/// Programs move files by paths that lead through links; where these are, the kernel says of what is opened alone.
#[test]
fn moved_through_a_symbolic_link() {
    needs!();
    let watched = calls(&[
        "a=openat AT_FDCWD there/a.tmp O_WRONLY|O_CREAT 0600 ; write a 10 ; close a ; rename there/a.tmp there/a",
        "symlink real made",
        "a=openat AT_FDCWD made/b.tmp O_WRONLY|O_CREAT 0600 ; write a 20 ; close a ; rename made/b.tmp made/b",
        "a=openat AT_FDCWD made/gone O_WRONLY|O_CREAT 0600 ; close a ; unlink made/gone",
    ]);
    let folder = watched.folder();
    fs::create_dir(folder.join("real")).unwrap();
    std::os::unix::fs::symlink("real", folder.join("there")).unwrap();
    let receipt = watched.run().complete(0);
    receipt.artifact(folder.join("there/a")).expect_content(&[b'x'; 10]);
    receipt.artifact(folder.join("real/b")).expect_content(&[b'x'; 20]);
    assert_eq!(receipt.artifacts().len(), 3, "{:?}", receipt.artifacts());
    assert!(receipt.file(folder.join("real/gone")).transient());
}

/// What a program sees in a mount namespace of its own under names of the host's is none of the host's files.
#[test]
fn under_names_of_another_mount_namespace() {
    needs!("unshare");
    let script = "mkdir own over; echo mine > own/r; echo theirs > host; echo theirs > over/host
        unshare -m sh -c 'mount --bind own/r host; cat host >/dev/null; mount -t tmpfs none over; echo x > over/host'
        unshare -m sh -c 'mount --bind own/r host; echo more >> host'";
    let watched = watch(["sh", "-c", script]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    receipt.artifact(folder.join("own/r")).expect_content(b"mine\nmore\n");
    receipt.artifact(folder.join("host")).expect_content(b"theirs\n");
    receipt.artifact(folder.join("over/host")).expect_content(b"theirs\n");
    assert_eq!(receipt.artifacts().len(), 3, "{:?}", receipt.artifacts());
}

/// Two files that change places are each where they end up.
#[test]
fn exchanged() {
    needs!();
    let watched = calls(&[
        "a=openat AT_FDCWD one O_WRONLY|O_CREAT 0600 ; write a 1",
        "b=openat AT_FDCWD two O_WRONLY|O_CREAT 0600 ; write b 2",
        "renameat2 AT_FDCWD one AT_FDCWD two RENAME_EXCHANGE",
    ]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    receipt.artifact(folder.join("one")).expect_content(b"xx");
    receipt.artifact(folder.join("two")).expect_content(b"x");
}

/// A symbolic link is left behind, too; what it points to is its content.
#[test]
fn symbolic_links() {
    needs!();
    let watched = calls(&["symlink somewhere link ; symlink gone other ; unlink other"]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    let link = receipt.artifact(folder.join("link"));
    assert_eq!((link.change(), link.target()), ("created", Some("somewhere".into())));
    assert_eq!(link.media_type(), "inode/symlink");
    assert_eq!(receipt.artifacts().len(), 1);
}

/// Made and gone again: in the files, as transient, and no artifact.
#[test]
fn created_and_deleted() {
    needs!();
    let watched = calls(&[
        "a=openat AT_FDCWD gone O_WRONLY|O_CREAT 0600 ; write a 10 ; close a ; unlink gone",
        "b=openat AT_FDCWD kept O_WRONLY|O_CREAT 0600 ; write b 10",
        "mkdir sub 0700 ; c=openat AT_FDCWD sub/gone O_WRONLY|O_CREAT 0600 ; unlink sub/gone ; rmdir sub",
        "d=openat AT_FDCWD twice O_WRONLY|O_CREAT 0600 ; unlink twice",
        "e=openat AT_FDCWD twice O_WRONLY|O_CREAT 0600 ; write e 3",
    ]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    assert!(receipt.file(folder.join("gone")).transient());
    assert!(receipt.file(folder.join("sub/gone")).transient());
    assert!(!receipt.file(folder.join("kept")).transient());
    let mut paths: Vec<_> = receipt.artifacts().iter().map(|artifact| artifact.path()).collect();
    paths.sort();
    assert_eq!(paths, [folder.join("kept"), folder.join("twice")]);
    receipt.artifact(folder.join("twice")).expect_content(b"xxx");
}

#[test]
fn media_types() {
    needs!("cp");
    let elf = program("exit_code");
    let script =
        format!("for f in image text empty script; do cp in.$f out.$f; done; cp {} out.elf", elf.display());
    let watched = watch(["sh", "-c", &script]);
    let folder = watched.folder();
    let image = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";
    fs::write(folder.join("in.image"), image).unwrap();
    fs::write(folder.join("in.text"), "Text, with an \u{fc}.\n").unwrap();
    fs::write(folder.join("in.empty"), "").unwrap();
    fs::write(folder.join("in.script"), "#!/bin/sh\n").unwrap();
    let receipt = watched.run().complete(0);
    let media = |name: &str| receipt.artifact(folder.join(name)).media_type().to_owned();
    assert_eq!(media("out.image"), "image/png");
    assert!(media("out.text").starts_with("text/plain"), "{}", media("out.text"));
    assert!(
        ["application/x-executable", "application/x-elf", "application/x-pie-executable"]
            .contains(&media("out.elf").as_str()),
        "{}",
        media("out.elf")
    );
    assert!(media("out.empty").contains("empty"), "{}", media("out.empty"));
    receipt.artifact(folder.join("out.image")).expect_content(image);
    receipt.artifact(folder.join("out.elf")).expect_content(&fs::read(elf).unwrap());
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A file that somebody else goes on changing gets no hash that was never true. Its last byte is changed before its first:
/// who reads the one before some changes and the other behind them has read what was never there.
#[test]
fn a_file_that_changes_meanwhile() {
    needs!();
    const LENGTH: usize = 30_000_000;
    const NUMBERS: u8 = 16;
    let watched = calls(&["a=openat AT_FDCWD busy O_WRONLY|O_CREAT 0600 ; write a 30000000", "sleep 300"]);
    let folder = watched.folder();
    let over = AtomicBool::new(false);
    let run = std::thread::scope(|scope| {
        // Also when the run fails: the scope waits for the thread.
        let _guard = Over(&over);
        scope.spawn(|| {
            let path = folder.join("busy");
            for number in (0..NUMBERS).cycle() {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                if let Ok(file) = fs::OpenOptions::new().write(true).open(&path) {
                    let _ = file.write_at(&[number], LENGTH as u64 - 1);
                    let _ = file.write_at(&[number], 0);
                }
                // Seldom enough that it is mostly the reading that meets a change.
                std::thread::sleep(std::time::Duration::from_millis(3));
            }
        });
        watched.run()
    });
    run.expect_code(0);
    let receipt = run.receipt();
    let artifact = receipt.artifact(folder.join("busy"));
    let Some(hash) = artifact.0["sha256"].as_str() else {
        artifact.expect_no_hash();
        return;
    };
    let middle = vec![b'x'; LENGTH - 2];
    let was_there = (0..NUMBERS).any(|first| {
        let begun = Sha256::new().chain_update([first]).chain_update(&middle);
        [first, (first + 1) % NUMBERS].iter().any(|last| {
            let all = begun.clone().chain_update([*last]).finalize();
            hash == all.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        })
    });
    assert!(was_there, "{artifact:?}");
}

#[test]
fn the_limit_of_what_is_hashed() {
    needs!();
    let watched = calls(&[
        "a=openat AT_FDCWD small O_WRONLY|O_CREAT 0600 ; write a 1000",
        "b=openat AT_FDCWD large O_WRONLY|O_CREAT 0600 ; write b 1001",
    ])
    .options(["--artifact-limit", "1000"]);
    let folder = watched.folder();
    let run = watched.run();
    run.expect_code(0);
    let receipt = run.receipt();
    receipt.artifact(folder.join("small")).expect_content(&[b'x'; 1000]);
    let large = receipt.artifact(folder.join("large"));
    large.expect_no_hash();
    assert_eq!(large.0["size_bytes"].as_u64(), Some(1001), "{large:?}");
}

/// What was already there, and was only looked at, renamed or given other permissions, has no new content.
#[test]
fn what_is_no_artifact() {
    needs!();
    let watched = calls(&[
        "a=openat AT_FDCWD read O_RDONLY ; read a 10",
        "chmod read 0600",
        "mkdir folder 0700",
        "mknod fifo S_IFIFO|0600 0",
        "b=openat AT_FDCWD /dev/null O_WRONLY ; write b 10",
    ]);
    let folder = watched.folder();
    fs::write(folder.join("read"), "content").unwrap();
    let receipt = watched.run().complete(0);
    let paths: Vec<_> = receipt.artifacts().iter().map(|artifact| artifact.path()).collect();
    assert_eq!(paths, Vec::<std::path::PathBuf>::new());
}

/// The output of a shell's redirection, and the file that the caller gave as stdout.
#[test]
fn redirected_output() {
    needs!();
    let watched = watch(["sh", "-c", "echo out; echo inner >inner"]);
    let folder = watched.folder();
    let receipt = watched.after("exec >given").run().complete(0);
    receipt.artifact(folder.join("inner")).expect_content(b"inner\n");
    assert_eq!(receipt.artifact(folder.join("given")).expect_content(b"out\n").change(), "modified");
}

/// A symbolic link in place of what was written must not lead the reader elsewhere.
#[test]
fn a_link_put_in_place_of_an_artifact() {
    needs!();
    let outside = crate::support::watch::public_folder();
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let steps = [
        "a=openat AT_FDCWD file O_WRONLY|O_CREAT 0600 ; write a 10 ; close a ; unlink file".to_owned(),
        format!("symlink {} file", secret.display()),
    ];
    let watched = calls(&[&steps[0], &steps[1]]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    let secret_hash = crate::support::sha256(b"secret");
    assert!(!receipt.at("/artifacts").to_string().contains(&secret_hash), "{:?}", receipt.artifacts());
    assert_eq!(receipt.artifact(folder.join("file")).target(), Some(secret));
    assert!(receipt.file(folder.join("file")).transient());
}

/// A file without a name leaves its inode number to the next one that is made.
#[test]
fn what_has_the_number_of_a_file_without_a_name() {
    needs!();
    let watched = calls(&[
        "t=openat AT_FDCWD . O_TMPFILE|O_RDWR 0600 ; write t 30 ; close t",
        "a=openat AT_FDCWD one O_WRONLY|O_CREAT 0600 ; write a 1 ; close a",
        "rename one two",
        "b=openat AT_FDCWD one O_WRONLY|O_CREAT 0600 ; write b 2 ; close b",
    ]);
    let folder = watched.folder();
    let receipt = watched.run().complete(0);
    let nameless: Vec<_> = receipt.files().into_iter().filter(|file| file.bytes_written() == 30).collect();
    assert_eq!(nameless.len(), 1, "{:?}", receipt.files());
    assert!(nameless[0].transient(), "{nameless:?}");
    let paths: Vec<_> = receipt.artifacts().iter().map(|artifact| artifact.path()).collect();
    assert_eq!(paths, [folder.join("one"), folder.join("two")]);
    receipt.artifact(folder.join("one")).expect_content(b"xx");
    receipt.artifact(folder.join("two")).expect_content(b"x");
}

/// In a chroot paths begin at another root than the kernel's, and what lies outside is not reached from there.
#[test]
fn what_is_left_behind_in_a_chroot() {
    needs!("unshare", "chroot", "mount");
    let watched = watch(["sh", "-c", "echo x > made; cp /bin/true copied"]);
    let folder = watched.folder();
    let jail = folder.join("jail");
    fs::create_dir(&jail).unwrap();
    let script = "mount --rbind / \"$1\"; jail=$1; shift; exec chroot \"$jail\" sh -c 'cd \"$0\"; exec \"$@\"' \"$PWD\" \"$@\"";
    let wrapper = ["unshare", "--mount", "sh", "-c", script, "sh", jail.to_str().unwrap()];
    let receipt = watched.under(wrapper).run().complete(0);
    // The way to the file by the kernel's account: the jail, and in it the whole way again.
    let inside = |name: &str| {
        let path = folder.join(name);
        jail.join(path.strip_prefix("/").unwrap())
    };
    receipt.artifact(inside("made")).expect_content(b"x\n");
    receipt.artifact(inside("copied")).expect_content(&fs::read("/bin/true").unwrap());
    assert_eq!(receipt.artifacts().len(), 2, "{:?}", receipt.artifacts());
}
