" Comments and indentation; :GradusFormat formats by `gradus fmt -`.
if exists('b:did_ftplugin')
  finish
endif
let b:did_ftplugin = 1

setlocal commentstring=#\ %s
setlocal comments=:#
setlocal expandtab shiftwidth=2 softtabstop=2 textwidth=0
setlocal suffixesadd=.gr

" Formats the whole text by a command, and leaves it as it is where the command finds an error. A filter such as
" `formatprg` would put the message in place of the text.
function! s:Format() abort
  let l:command = get(g:, 'gradus_command', 'gradus')
  let l:out = systemlist(shellescape(l:command) .. ' fmt -', getline(1, '$'))
  if v:shell_error
    echohl ErrorMsg | echo join(l:out, "\n") | echohl None
    return
  endif
  let l:view = winsaveview()
  call setline(1, l:out)
  silent! execute (len(l:out) + 1) .. ',$delete _'
  call winrestview(l:view)
endfunction
command! -buffer GradusFormat call s:Format()

let b:undo_ftplugin = 'setlocal commentstring< comments< expandtab< shiftwidth< softtabstop< textwidth< suffixesadd<'
      \ .. ' | delcommand -buffer GradusFormat'
