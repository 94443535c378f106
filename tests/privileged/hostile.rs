//! A command that does not wish the observer well.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::privilege::needs;
use crate::support::watch::public_folder;
use crate::support::{program, watch};

/// Control characters in names reach the receipt as they are, and the terminal never.
#[test]
fn names_cannot_speak_to_the_terminal() {
    needs!();
    let script = format!("{} \"$(printf '\\033]0;x\\007\\033[2J')\"; exit 3", program("rename").display());
    let run = watch(["sh", "-c", &script]).run();
    let receipt = run.complete(3);
    let names: Vec<_> = receipt.processes().iter().map(|process| process.text("/name").to_owned()).collect();
    assert!(names.iter().any(|name| name.contains('\u{1b}')), "{names:?}");
    let control = run.stderr.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(control, None, "{:?}", run.stderr);
}

#[test]
fn a_command_line_cannot_speak_to_the_terminal() {
    needs!();
    for words in [vec!["\u{1b}[2J\nmissing"], vec!["true", "\u{1b}[2J\r\u{9b}31m"]] {
        let run = watch(words).run();
        assert!(run.stderr.contains("\\u{1b}") || run.status.success(), "{}", run.stderr);
        let control = run.stderr.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(control, None, "{:?}", run.stderr);
    }
}

/// The receipt's name is made a link to somewhere else while the command runs.
#[test]
fn the_receipt_cannot_be_redirected() {
    needs!();
    let outside = public_folder();
    let victim = outside.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let script = format!("rm -f receipt.json; ln -s {} receipt.json; exit 3", victim.display());
    let run = watch(["sh", "-c", &script]).run();
    run.complete(3);
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert!(fs::symlink_metadata(&run.receipt_path).unwrap().file_type().is_file());
}

#[test]
fn an_older_link_of_that_name_is_replaced() {
    needs!();
    let outside = public_folder();
    let victim = outside.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let watched = watch(["true"]);
    symlink(&victim, watched.folder().join("receipt.json")).unwrap();
    let run = watched.run();
    run.complete(0);
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
}

/// The folder is moved away, and another one, or a link, put in its place.
#[test]
fn a_moved_folder_does_not_redirect_the_receipt() {
    needs!();
    let outside = public_folder();
    let place = outside.path().join("place");
    let elsewhere = outside.path().join("elsewhere");
    fs::create_dir(&place).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    let script = format!("mv {0} {0}.moved; ln -s {1} {0}; exit 3", place.display(), elsewhere.display());
    let run = watch(["sh", "-c", &script]).receipt_at(&place.join("receipt.json")).run();
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "the receipt went where the command wanted it");
    let moved = outside.path().join("place.moved/receipt.json");
    assert!(
        moved.exists(),
        "the receipt is in the folder that was named at the start; stderr: {}",
        run.stderr
    );
    run.expect_code(3);
}

/// What the command may do to a folder of its own: forbid writing there, for everybody or by taking it away.
#[test]
fn a_folder_that_was_closed_or_removed_does_not_cost_the_receipt() {
    needs!("unshare", "mount");
    for (script, stays) in [
        ("chmod 0 $0; exit 3", true),
        ("mount -o remount,ro $0; exit 3", false),
        ("rm -rf $0; exit 3", false),
        ("mkdir $0/receipt.json; exit 3", false),
    ] {
        let outside = public_folder();
        let (place, elsewhere) = (outside.path().join("place"), outside.path().join("elsewhere"));
        fs::create_dir(&place).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        let mounts = script.starts_with("mount");
        let preparation =
            if mounts { format!("mount -t tmpfs none {}", place.display()) } else { "true".into() };
        let run = watch(command!["sh", "-c", script, &place])
            .under(["unshare", "-m"])
            .after(&preparation)
            .env("TMPDIR", &elsewhere)
            .receipt_at(&place.join("receipt.json"))
            .run();
        run.expect_code(3);
        let fallback = fs::read_dir(&elsewhere).unwrap().map(|entry| entry.unwrap().path()).next();
        assert_eq!(fallback.is_none(), stays, "{script}: {}", run.stderr);
        let path = fallback.unwrap_or_else(|| run.receipt_path.clone());
        let bytes = fs::read(&path).unwrap();
        crate::support::Receipt::parse(&bytes).expect_complete();
        assert!(run.stderr.contains(path.to_str().unwrap()), "{script}: {}", run.stderr);
        assert!(
            run.stderr.contains(&crate::support::sha256(&bytes)),
            "the summary has its SHA-256: {}",
            run.stderr
        );
    }
}

#[test]
fn closed_descriptors_are_no_trouble() {
    needs!();
    for closing in ["exec 0<&-", "exec 1>&-", "exec 2>&-", "exec 0<&- 1>&- 2>&-"] {
        let run = watch(command![program("exit_code"), "7"]).after(closing).run();
        run.complete(7);
    }
}

#[test]
fn nobody_listening_is_no_trouble() {
    needs!();
    let script = "exec \"$0\" watch --no-tui --receipt receipt.json -- \"$1\" 5";
    let wrapper = format!("({{ sleep 0.2; {}; echo $? >code; }} 2>&1) | true", script.replace("exec ", ""));
    let watched = watch(["true"]);
    let folder = watched.folder();
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", &wrapper])
        .arg(crate::support::watch::glasshouse())
        .arg(program("exit_code"))
        .current_dir(&folder);
    shell.status().unwrap();
    crate::support::wait_until("the run to end", || {
        fs::read_to_string(folder.join("code")).ok().filter(|text| text == "5\n")
    });
    let receipt = crate::support::Receipt::parse(&fs::read(folder.join("receipt.json")).unwrap());
    receipt.expect_complete();
}

#[test]
fn few_descriptors_are_enough() {
    needs!("prlimit");
    let receipt =
        watch(command![program("fork_storm"), "300"]).under(["prlimit", "--nofile=96:96"]).run().complete(0);
    assert_eq!(receipt.processes().len(), 301);
}

/// Many threads in a storm, which the rings must survive.
#[test]
fn two_storms_at_once_are_complete() {
    needs!();
    let script = format!(
        "{0} 1500 64 & {0} 1500 64 & {1} 2000000 & wait",
        program("fork_storm").display(),
        program("getppid_loop").display()
    );
    let receipt = watch(["sh", "-c", &script]).run().complete(0);
    assert_eq!(receipt.processes().len(), 3004);
    assert_eq!(receipt.calls("getppid") - receipt.root().calls("getppid"), 2_000_000);
}

/// The command kills its own observer's child group, itself included: the outcome is that of the root.
#[test]
fn killing_the_whole_group_is_an_ordinary_end() {
    needs!();
    let script = "sleep 100 & sleep 100 & trap '' TERM; kill -TERM 0; wait; exit 8";
    let run = watch(["setsid", "-w", "sh", "-c", script]).run();
    run.complete(8);
}
