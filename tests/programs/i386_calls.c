/* build: -m32 -nostdlib -static -ffreestanding -fno-pic -fno-stack-protector */
// A 32-bit program: getppid 3 times, getpid 5 times, exit with 12.
static long call(long number, long first) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(first) : "memory");
    return result;
}
void _start(void) {
    for (int i = 0; i < 3; i++)
        call(64, 0);
    for (int i = 0; i < 5; i++)
        call(20, 0);
    call(1, 12);
    __builtin_unreachable();
}
