#include "runtime/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "ir/check.h"
#include "ir/error.h"
#include "runtime/inflate.h"
#include "runtime/memory.h"

namespace gradus::runtime {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  bool Close() {
    const int fd = fd_;
    fd_ = -1;
    return close(fd) == 0;
  }

 private:
  int fd_;
};

absl::Status SystemError(absl::string_view path, absl::string_view doing, int error) {
  const std::string sentence = absl::StrCat(path, ": cannot ", doing, ": ", std::strerror(error));
  return error == ENOENT ? ir::ErrorStatus(absl::StatusCode::kNotFound, ir::ErrorKind::kCannotRead, sentence)
                         : ir::ErrorStatus(absl::StatusCode::kFailedPrecondition, ir::ErrorKind::kCannotRead, sentence);
}

absl::Status WriteAll(int fd, absl::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return SystemError(path, "write", errno);
    bytes.remove_prefix(written);
  }
  return absl::OkStatus();
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status WriteAndRename(const std::string& temporary, const std::string& path,
                            absl::Span<const absl::string_view> pieces) {
  Descriptor out(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (out.get() < 0) return SystemError(path, "create a file in its folder", errno);
  for (const absl::string_view piece : pieces) RETURN_IF_ERROR(WriteAll(out.get(), piece, path));
  if (fsync(out.get()) != 0) return SystemError(path, "sync to disk", errno);
  if (!out.Close()) return SystemError(path, "close", errno);
  if (rename(temporary.c_str(), path.c_str()) != 0) return SystemError(path, "replace", errno);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  Descriptor in(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (in.get() < 0) return SystemError(path, "open", errno);
  struct stat status;
  if (fstat(in.get(), &status) != 0) return SystemError(path, "look at", errno);
  if (!S_ISREG(status.st_mode)) return ir::ErrorStatus(ir::ErrorKind::kCannotRead, path, ": is not a regular file");
  RETURN_IF_ERROR(CheckMemory(status.st_size, absl::StrCat("the file ", path)));
  std::string bytes(static_cast<size_t>(status.st_size), '\0');
  size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = read(in.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(path, "read", errno);
    if (got == 0) break;  // it shrank: what is missing gets the sentence of a truncated file
    filled += got;
  }
  bytes.resize(filled);
  return bytes;
}

absl::StatusOr<std::string> ReadMaybeGzip(const std::string& path) {
  ASSIGN_OR_RETURN(std::string bytes, ReadFile(path));
  if (absl::string_view(bytes).substr(0, 2) != "\x1f\x8b") return bytes;
  return InflateGzip(path, bytes);
}

absl::Status WriteFileAtomically(const std::string& path, absl::Span<const absl::string_view> pieces) {
  const std::string temporary = absl::StrCat(path, ".", getpid(), ".temporary");
  if (const absl::Status status = WriteAndRename(temporary, path, pieces); !status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  Descriptor folder(open(FolderOf(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0 || fsync(folder.get()) != 0) return SystemError(path, "sync the folder of", errno);
  return absl::OkStatus();
}

absl::Status CheckReplaceable(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return SystemError(path, "replace", EISDIR);
  if (access(FolderOf(path).c_str(), W_OK | X_OK) != 0) return SystemError(path, "create a file in its folder", errno);
  return absl::OkStatus();
}

}  // namespace gradus::runtime
