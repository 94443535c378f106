//! Ordinary work is no evasion: nothing that real programs do is found to be worse than low.

use crate::support::privilege::needs;
use crate::support::watch;

/// Runs a script of a shell, by root and by a user without rights.
#[track_caller]
fn check(script: &str) {
    for options in [&[][..], &["--user", "65534:65534"]] {
        let script = format!(
            "d=$(mktemp -d /tmp/glasshouse-test-XXXXXX); export HOME=$d; cd $d; ({script}); cd /; rm -r $d"
        );
        let run = watch(["sh", "-ec", &script]).options(options).run();
        let receipt = run.complete(0);
        let worse: Vec<_> =
            receipt.findings().into_iter().filter(|one| !["info", "low"].contains(&one.severity())).collect();
        assert!(worse.is_empty(), "{script}: {worse:#?}");
    }
}

#[test]
fn a_build() {
    needs!("make", "gcc");
    check(
        "echo 'int main(void){return 0;}' >a.c && printf 'a: a.c\\n\\tcc -o a a.c\\n' >Makefile && make -s -j2 && ./a",
    );
}

#[test]
fn a_clone() {
    needs!("git");
    check(
        "git init -q one && cd one && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git clone -q . ../two && cd .. && git -C two gc -q",
    );
}

#[test]
fn a_script_of_node() {
    needs!("npm");
    check("npm --version >/dev/null");
}

#[test]
fn a_compilation_of_python() {
    needs!("/usr/bin/python3");
    check(
        "echo 'x = 1' >a.py && /usr/bin/python3 -m compileall -q . && /usr/bin/python3 -c 'import subprocess, a; subprocess.run([\"true\"])'",
    );
}

#[test]
fn an_archive() {
    needs!("tar", "gzip");
    check(
        "mkdir d && seq 1000 >d/file && tar czf d.tar.gz d && rm -r d && tar xzf d.tar.gz && test -s d/file",
    );
}

#[test]
fn a_download() {
    needs!("curl");
    check("curl -s --max-time 2 http://127.0.0.1:1/ || true");
}

#[test]
fn shells_and_their_jobs() {
    needs!("timeout");
    check("sleep 60 & kill $!; wait; timeout 0.2 sleep 60 || true; ls -l / | sort | head -n 3 >/dev/null");
}

#[test]
fn a_tracer_and_a_search() {
    needs!("strace", "find");
    check(
        "strace -f -o out sh -c 'ls | cat' >/dev/null; find /etc /proc/sys /sys/fs/cgroup >/dev/null 2>&1 || true",
    );
}
