// unshare_each NAME...: one unshare call for each of user mnt uts ipc net cgroup pid; prints the inode of each new namespace.
// The pid namespace is that of later children, and the program makes one child in it.
#include "common.h"
int main(int argc, char **argv) {
    static const struct {
        const char *name, *link;
        int flag;
    } kinds[] = {
        {"user", "user", CLONE_NEWUSER}, {"mnt", "mnt", CLONE_NEWNS},       {"uts", "uts", CLONE_NEWUTS},
        {"ipc", "ipc", CLONE_NEWIPC},    {"net", "net", CLONE_NEWNET},      {"cgroup", "cgroup", CLONE_NEWCGROUP},
        {"pid", "pid_for_children", CLONE_NEWPID},
    };
    int fork_wanted = 0;
    for (int i = 1; i < argc; i++)
        for (unsigned k = 0; k < sizeof kinds / sizeof *kinds; k++)
            if (strcmp(argv[i], kinds[k].name) == 0) {
                must(unshare(kinds[k].flag));
                fork_wanted |= kinds[k].flag == CLONE_NEWPID;
            }
    if (fork_wanted) {
        pid_t child = must(fork());
        if (child == 0)
            _exit(0);
        wait_for(child);
    }
    for (int i = 1; i < argc; i++)
        for (unsigned k = 0; k < sizeof kinds / sizeof *kinds; k++)
            if (strcmp(argv[i], kinds[k].name) == 0) {
                char path[64];
                struct stat facts = {0};
                snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[k].link);
                // Empty pid namespaces cannot be opened once their init has gone; 0 says so.
                if (stat(path, &facts) == -1)
                    facts.st_ino = 0;
                printf("%s%s=%lu", i > 1 ? " " : "", kinds[k].name, (unsigned long)facts.st_ino);
            }
    printf("\n");
    return 0;
}
