from patrol.main import main

main()
