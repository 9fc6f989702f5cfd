// A header of Gloo that Debian's libgloo-dev leaves out, though its tcp/pair.h includes it: what its library makes of these names, as far as a
// class that is derived from its pairs has to know. Where Gloo's own is there, this folder is not looked at.
#pragma once
#include <memory>

namespace gloo {

template <class T>
class WeakNonOwningPtr;

// Seen through its owner's weak pointers, an object that is not theirs. While it is used, its destructor waits.
template <class T>
class ShareableNonOwningPtr final {
 protected:
  friend class WeakNonOwningPtr<T>;
  std::shared_ptr<T> ptr_;
};

template <class T>
class NonOwningPtr final {
 public:
  NonOwningPtr() = default;
  explicit NonOwningPtr(const WeakNonOwningPtr<T>& weak) : ptr_(weak.ptr_.lock()) {}
  T* operator->() const noexcept { return ptr_.get(); }
  explicit operator bool() const noexcept { return bool(ptr_); }

 private:
  std::shared_ptr<T> ptr_;
};

template <class T>
class WeakNonOwningPtr final {
 public:
  WeakNonOwningPtr() = default;
  explicit WeakNonOwningPtr(const ShareableNonOwningPtr<T>& whole) : ptr_(whole.ptr_) {}

 protected:
  friend class NonOwningPtr<T>;
  std::weak_ptr<T> ptr_;
};

}  // namespace gloo
