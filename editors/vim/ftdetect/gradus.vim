autocmd BufNewFile,BufRead *.gr setfiletype gradus
