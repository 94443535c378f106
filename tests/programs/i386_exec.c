/* build: -m32 -nostdlib -static -ffreestanding -fno-pic -fno-stack-protector */
// A 32-bit program that execs argv[1], which is a 64-bit one, with the remaining arguments.
static long call(long number, long first, long second, long third) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(first), "c"(second), "d"(third) : "memory");
    return result;
}
__attribute__((used)) static void start(long *stack) {
    long count = stack[0];
    call(11, stack[2], (long)(stack + 2), (long)(stack + count + 2));
    call(1, 93, 0, 0);
}
__asm__(".globl _start\n_start:\n mov %esp, %eax\n push %eax\n call start\n");
