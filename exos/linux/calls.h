/* The table of Linux system calls that ExOS implements. What is not here returns ENOSYS, and is named once on the log. */
#pragma once

/* Calls that read one word of the process's own entry, X(number, field of struct proc): answered on the spot, without stack or lock, by
 * exos/x86_64/entry.S. */
#define LINUX_FIELDS(X) \
	X(39, pid) /* getpid */ \
	X(102, uid) \
	X(104, gid) \
	X(107, euid) \
	X(108, egid) \
	X(110, parent_pid) /* getppid */ \
	X(111, group) /* getpgrp */ \
	X(186, tid) /* gettid */
#define LINUX_FIELD_CALLS 187 /* one past the highest of them */

/* X(number, name): handlers, entered with the domain lock held. These copy or replace all of the program's registers: */
#define LINUX_REGS_CALLS(X) \
	X(56, clone) \
	X(57, fork) \
	X(58, vfork) \
	X(59, execve) \
	X(435, clone3)

/* Those see the ones that arguments are in, rip, rsp and the flags. */
#define LINUX_CALLS(X) \
	/* linux/io.c, linux/poll.c: open files */ \
	X(0, read) \
	X(1, write) \
	X(3, close) \
	X(7, poll) \
	X(8, lseek) \
	X(16, ioctl) \
	X(17, pread64) \
	X(18, pwrite64) \
	X(19, readv) \
	X(20, writev) \
	X(22, pipe) \
	X(23, select) \
	X(32, dup) \
	X(33, dup2) \
	X(40, sendfile) \
	/* linux/socket.c, linux/message.c, linux/socket_options.c */ \
	X(41, socket) \
	X(42, connect) \
	X(43, accept) \
	X(44, sendto) \
	X(45, recvfrom) \
	X(46, sendmsg) \
	X(47, recvmsg) \
	X(48, shutdown) \
	X(49, bind) \
	X(50, listen) \
	X(51, getsockname) \
	X(52, getpeername) \
	X(53, socketpair) \
	X(54, setsockopt) \
	X(55, getsockopt) \
	X(288, accept4) \
	X(299, recvmmsg) \
	X(307, sendmmsg) \
	/* linux/epoll.c */ \
	X(213, epoll_create) \
	X(232, epoll_wait) \
	X(233, epoll_ctl) \
	X(281, epoll_pwait) \
	X(291, epoll_create1) \
	X(441, epoll_pwait2) \
	/* more of open files */ \
	X(72, fcntl) \
	X(73, flock) \
	X(74, fsync) \
	X(75, fdatasync) \
	X(77, ftruncate) \
	X(78, getdents) \
	X(217, getdents64) \
	X(221, fadvise64) \
	X(270, pselect6) \
	X(271, ppoll) \
	X(277, sync_file_range) \
	X(285, fallocate) \
	X(292, dup3) \
	X(284, eventfd) \
	X(290, eventfd2) \
	X(293, pipe2) \
	X(295, preadv) \
	X(296, pwritev) \
	X(306, syncfs) \
	/* linux/mount.c */ \
	X(165, mount) \
	X(166, umount2) \
	X(187, readahead) \
	X(436, close_range) \
	/* linux/path.c, linux/stat.c: names */ \
	X(2, open) \
	X(4, stat) \
	X(5, fstat) \
	X(6, lstat) \
	X(21, access) \
	X(76, truncate) \
	X(79, getcwd) \
	X(80, chdir) \
	X(81, fchdir) \
	X(82, rename) \
	X(83, mkdir) \
	X(84, rmdir) \
	X(85, creat) \
	X(86, link) \
	X(87, unlink) \
	X(88, symlink) \
	X(89, readlink) \
	X(90, chmod) \
	X(91, fchmod) \
	X(92, chown) \
	X(93, fchown) \
	X(94, lchown) \
	X(132, utime) \
	X(133, mknod) \
	X(137, statfs) \
	X(138, fstatfs) \
	X(161, chroot) \
	X(162, sync) \
	X(235, utimes) \
	X(188, setxattr) \
	X(189, lsetxattr) \
	X(190, fsetxattr) \
	X(191, getxattr) \
	X(192, lgetxattr) \
	X(193, fgetxattr) \
	X(194, listxattr) \
	X(195, llistxattr) \
	X(196, flistxattr) \
	X(197, removexattr) \
	X(198, lremovexattr) \
	X(199, fremovexattr) \
	X(257, openat) \
	X(258, mkdirat) \
	X(259, mknodat) \
	X(260, fchownat) \
	X(261, futimesat) \
	X(262, newfstatat) \
	X(263, unlinkat) \
	X(264, renameat) \
	X(265, linkat) \
	X(266, symlinkat) \
	X(267, readlinkat) \
	X(268, fchmodat) \
	X(269, faccessat) \
	X(280, utimensat) \
	X(316, renameat2) \
	X(319, memfd_create) \
	X(332, statx) \
	X(439, faccessat2) \
	/* linux/memory.c */ \
	X(9, mmap) \
	X(10, mprotect) \
	X(11, munmap) \
	X(12, brk) \
	X(25, mremap) \
	X(26, msync) \
	X(27, mincore) \
	X(28, madvise) \
	X(149, mlock) \
	X(150, munlock) \
	X(151, mlockall) \
	X(152, munlockall) \
	/* linux/signal.c */ \
	X(13, rt_sigaction) \
	X(14, rt_sigprocmask) \
	X(15, rt_sigreturn) \
	X(34, pause) \
	X(36, getitimer) \
	X(37, alarm) \
	X(38, setitimer) \
	X(62, kill) \
	X(127, rt_sigpending) \
	X(128, rt_sigtimedwait) \
	X(130, rt_sigsuspend) \
	X(131, sigaltstack) \
	X(200, tkill) \
	X(234, tgkill) \
	/* linux/thread.c, linux/process.c, linux/identity.c */ \
	X(60, exit) \
	X(61, wait4) \
	X(95, umask) \
	X(97, getrlimit) \
	X(98, getrusage) \
	X(100, times) \
	X(105, setuid) \
	X(106, setgid) \
	X(109, setpgid) \
	X(112, setsid) \
	X(113, setreuid) \
	X(114, setregid) \
	X(115, getgroups) \
	X(116, setgroups) \
	X(117, setresuid) \
	X(118, getresuid) \
	X(119, setresgid) \
	X(120, getresgid) \
	X(121, getpgid) \
	X(124, getsid) \
	X(135, personality) \
	X(140, getpriority) \
	X(141, setpriority) \
	X(157, prctl) \
	X(158, arch_prctl) \
	X(160, setrlimit) \
	X(218, set_tid_address) \
	X(231, exit_group) \
	X(247, waitid) \
	X(302, prlimit64) \
	/* linux/time.c, linux/machine.c, linux/scheduling.c, linux/futex.c, linux/restartable.c */ \
	X(24, sched_yield) \
	X(35, nanosleep) \
	X(63, uname) \
	X(96, gettimeofday) \
	X(99, sysinfo) \
	X(103, syslog) \
	X(142, sched_setparam) \
	X(143, sched_getparam) \
	X(144, sched_setscheduler) \
	X(145, sched_getscheduler) \
	X(146, sched_get_priority_max) \
	X(147, sched_get_priority_min) \
	X(164, settimeofday) \
	X(169, reboot) \
	X(170, sethostname) \
	X(201, time) \
	X(202, futex) \
	X(203, sched_setaffinity) \
	X(204, sched_getaffinity) \
	X(227, clock_settime) \
	X(228, clock_gettime) \
	X(229, clock_getres) \
	X(230, clock_nanosleep) \
	X(273, set_robust_list) \
	X(274, get_robust_list) \
	X(309, getcpu) \
	X(318, getrandom) \
	X(324, membarrier) \
	X(334, rseq)
