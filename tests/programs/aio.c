// aio FILE: writes 100 bytes to FILE, made anew, and reads 40 of them by io_submit, which no read or write call names.
#include "common.h"
#include <linux/aio_abi.h>
static aio_context_t context;
static void submit(int fd, int command, size_t length) {
    static char buffer[100];
    struct iocb request = {.aio_fildes = fd, .aio_lio_opcode = command, .aio_buf = (uintptr_t)buffer, .aio_nbytes = length};
    struct iocb *list[] = {&request};
    struct io_event event;
    if (must(syscall(SYS_io_submit, context, 1, list)) != 1)
        _exit(91);
    must(syscall(SYS_io_getevents, context, 1, 1, &event, NULL));
    if (event.res != (long)length)
        _exit(92);
}
int main(int argc, char **argv) {
    if (argc != 2)
        return 93;
    must(syscall(SYS_io_setup, 4, &context));
    int fd = must(open(argv[1], O_RDWR | O_CREAT, 0600));
    submit(fd, IOCB_CMD_PWRITE, 100);
    submit(fd, IOCB_CMD_PREAD, 40);
    return 0;
}
