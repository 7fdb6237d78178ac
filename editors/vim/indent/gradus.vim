" Two blanks for each bracket that is open at the end of a line.
if exists('b:did_indent')
  finish
endif
let b:did_indent = 1

setlocal indentexpr=GradusIndent()
setlocal indentkeys=0{,0},0),0],!^F,o,O
let b:undo_indent = 'setlocal indentexpr< indentkeys<'

if exists('*GradusIndent')
  finish
endif

" What a line leaves open: more brackets opened than closed, strings and comments aside.
function! s:Open(line) abort
  let l:text = substitute(getline(a:line), '"\%(\\.\|[^"\\]\)*"', '', 'g')
  let l:text = substitute(l:text, '#.*$', '', '')
  return len(substitute(l:text, '[^{(\[]', '', 'g')) - len(substitute(l:text, '[^})\]]', '', 'g'))
endfunction

function! GradusIndent() abort
  let l:last = prevnonblank(v:lnum - 1)
  if l:last == 0
    return 0
  endif
  let l:open = s:Open(l:last)
  " A bracket that begins a line was counted by that line's own indentation.
  let l:begins = getline(l:last) =~# '^\s*[})\]]'
  let l:indent = indent(l:last) + shiftwidth() * max([l:open + l:begins, 0])
  return getline(v:lnum) =~# '^\s*[})\]]' ? l:indent - shiftwidth() : l:indent
endfunction
